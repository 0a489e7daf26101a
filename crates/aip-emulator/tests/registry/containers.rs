//! Images that run.

use std::path::Path;
use std::time::{Duration, Instant};

use aip_emulator::container::{Container, Launch};
use serde_json::{Value, json};

use crate::harness::{Server, tar};

const SERVER: &str = include_str!("server.py");

/// An image as aip-bundle makes it, on the stand-in.
fn push(server: &Server, main: &str, config: &Value) -> String {
    let mut all = json!({
        "Entrypoint": ["python3", "/opt/app/main"],
        "Env": ["PATH=/usr/local/bin:/usr/bin:/bin", python_version(), "DATA=/opt/app/data"],
        "User": "65534:65534",
    });
    all.as_object_mut().unwrap().extend(config.as_object().unwrap().clone());
    let layers = [
        tar(&[("README", "base"), ("opt/app/removed", "below")]),
        tar(&[("opt/app/main/__main__.py", main), ("opt/app/data/model", "the model")]),
        tar(&[("opt/app/.wh.removed", "")]),
    ];
    let digest = server.push_image("p/r/image", "v1", &all, &layers);
    format!("{}/p/r/image@{digest}", server.host())
}

/// As this machine's `python3` has it.
fn python_version() -> String {
    let print = "import sys; print('PYTHON_VERSION=%d.%d.%d' % sys.version_info[:3])";
    let printed = std::process::Command::new("python3").args(["-c", print]).output().unwrap();
    String::from_utf8(printed.stdout).unwrap().trim().to_owned()
}

fn start(server: &Server, uri: &str, launch: Launch) -> Container {
    let image = server.app().registry.image(uri).unwrap();
    server.block_on(server.app().containers.start(&image, launch)).unwrap()
}

fn launch(env: &[(&str, &str)]) -> Launch {
    let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Launch { label: "image/v1".to_owned(), env: env.collect(), ..Launch::default() }
}

/// What the server says of itself, once it listens.
fn ask(container: &Container) -> Value {
    let start = Instant::now();
    loop {
        if let Ok(mut answer) = ureq::get(container.base_url()).call() {
            return serde_json::from_reader(answer.body_mut().as_reader()).unwrap();
        }
        assert!(container.is_alive(), "{:?}", container.log_tail());
        assert!(start.elapsed() < Duration::from_secs(30), "{:?}", container.log_tail());
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn ended(container: &Container) {
    let start = Instant::now();
    while container.is_alive() {
        assert!(start.elapsed() < Duration::from_secs(30));
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn on_this_machines_python() {
    let server = Server::start();
    let uri = push(&server, SERVER, &json!({}));
    let given = [("AIP_HTTP_PORT", "8080"), ("AIP_PREDICT_ROUTE", "/opt"), ("OWN", "/opt/none")];
    let container = start(&server, &uri, launch(&given));
    assert!(container.how().starts_with("as a process on /"), "{}", container.how());
    assert!(container.how().ends_with("; the base image is not proved"));
    let said = ask(&container);
    let env = &said["env"];
    assert_eq!(
        container.base_url(),
        format!("http://127.0.0.1:{}", env["AIP_HTTP_PORT"].as_str().unwrap())
    );
    assert_eq!((&env["AIP_PREDICT_ROUTE"], &env["OWN"]), (&"/opt".into(), &"/opt/none".into()));
    assert_eq!(env["MLFLOW_AIP_HOST"], "127.0.0.1");
    assert_eq!(env["STORAGE_EMULATOR_HOST"], server.url.as_str());
    assert_eq!(env["GCE_METADATA_HOST"], server.host());
    let data = Path::new(env["DATA"].as_str().unwrap());
    assert!(data.ends_with("root/opt/app/data"));
    assert_eq!(said["model"], "the model");
    assert!(!data.with_file_name("removed").exists());
    // Neither this test's variables nor this machine's packages
    assert_eq!(env["CARGO_MANIFEST_DIR"], Value::Null);
    let paths = said["path"].as_array().unwrap();
    assert!(!paths.iter().any(|path| path.as_str().unwrap().contains("dist-packages")), "{said}");
    server.block_on(container.stop());
    assert!(!container.is_alive());
    let tail = container.log_tail();
    assert_eq!(tail.last().unwrap(), "bye", "{tail:?}");
    assert!(!Path::new(env["HOME"].as_str().unwrap()).exists());
}

#[test]
fn two_of_one_image() {
    let server = Server::start();
    let uri = push(&server, SERVER, &json!({}));
    let (one, two) = (start(&server, &uri, launch(&[])), start(&server, &uri, launch(&[])));
    let (one, two) = (ask(&one), ask(&two));
    assert_eq!(one["env"]["DATA"], two["env"]["DATA"]);
    assert_ne!(one["env"]["HOME"], two["env"]["HOME"]);
    assert_ne!(one["env"]["AIP_HTTP_PORT"], two["env"]["AIP_HTTP_PORT"]);
}

#[test]
fn last_words() {
    let server = Server::start();
    let main = "import sys\nfor n in range(300): print(n, file=sys.stderr)\nsys.exit('no model')";
    let container = start(&server, &push(&server, main, &json!({})), launch(&[]));
    ended(&container);
    let tail = container.log_tail();
    assert_eq!(tail.len(), 200);
    assert!(tail.contains(&"no model".to_owned()) && tail.contains(&"299".to_owned()));
}

#[test]
fn a_container_that_does_not_listen_to_reason() {
    let server = Server::start();
    let main = "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n\
                print('deaf', flush=True)\ntime.sleep(60)";
    let container = start(&server, &push(&server, main, &json!({})), launch(&[]));
    let start = Instant::now();
    while container.log_tail().is_empty() && start.elapsed() < Duration::from_secs(30) {
        std::thread::sleep(Duration::from_millis(20));
    }
    server.block_on(container.stop());
    assert!(!container.is_alive() && start.elapsed() < Duration::from_secs(30));
}

#[test]
fn commands_and_arguments_of_ones_own() {
    let server = Server::start();
    let main = "import sys; print(sys.argv[1:])";
    let uri = push(&server, main, &json!({ "Cmd": ["--image=/opt/app/data"] }));
    let tail = |launch: Launch| {
        let container = start(&server, &uri, launch);
        ended(&container);
        container.log_tail()
    };
    let own = tail(launch(&[]));
    assert!(
        own[0].ends_with("/root/opt/app/data']") && own[0].starts_with("['--image=/"),
        "{own:?}"
    );
    let text = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
    assert_eq!(tail(Launch { args: text(&["a b"]), ..launch(&[]) }), ["['a b']"]);
    let command = text(&["python3", "-c", "print('mine')"]);
    assert_eq!(tail(Launch { command, ..launch(&[]) }), ["mine"]);
}

#[test]
fn what_cannot_be_run_says_why() {
    let server = Server::start();
    for (config, said) in [
        (json!({ "Entrypoint": ["/bin/serve"] }), "'/bin/serve' is not run by Python"),
        (json!({ "Entrypoint": [] }), "neither an entrypoint nor a command"),
        (json!({ "Env": [] }), "which Python"),
        (json!({ "Env": ["PYTHON_VERSION=3.99.1"] }), "no Python 3.99 on this machine"),
    ] {
        let uri = push(&server, SERVER, &config);
        let image = server.app().registry.image(&uri).unwrap();
        let refused = server.block_on(server.app().containers.start(&image, launch(&[])));
        let text = refused.unwrap_err().to_string();
        assert!(text.contains(said), "{text}");
    }
}

#[test]
fn who_looks_after_a_container_does_not_start_it_again_at_the_end() {
    let server = Server::start();
    let uri = push(&server, SERVER, &json!({}));
    let container = start(&server, &uri, launch(&[]));
    ask(&container);
    let containers = &server.app().containers;
    server.block_on(containers.stop_all());
    assert!(!container.is_alive());
    let image = server.app().registry.image(&uri).unwrap();
    let again = server.block_on(containers.start(&image, launch(&[])));
    assert_eq!(again.unwrap_err().to_string(), "the emulator is ending");
}

//! The same records in a file store and in a database give the same answers.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use rusqlite::Connection;
use tempfile::TempDir;

use super::{Root, Tracking};
use crate::tracking_uri::StoreUri;
use crate::uri::{ModelUri, Selector};
use crate::{Resolved, resolve};

const RUN: &str = "0123456789abcdef0123456789abcdef";
const DELETED_RUN: &str = "00000000000000000000000000000000";
const OLD: &str = "m-11111111111111111111111111111111";
/// Newer, and not finished.
const NEW: &str = "m-22222222222222222222222222222222";
/// The only one of its name, whose upload failed, and which no run lists.
const DRAFT: &str = "m-33333333333333333333333333333333";

/// Where the store was when its paths were recorded.
const WAS: &str = "/was/here/mlruns";

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// The artifacts, which lie alike for both.
fn artifacts(root: &Path) {
    for directory in [
        format!("1/{RUN}/artifacts/plain"),
        format!("1/models/{OLD}/artifacts"),
        format!("1/models/{NEW}/artifacts"),
        format!("1/models/{DRAFT}/artifacts"),
    ] {
        write(&root.join(directory).join("MLmodel"), "flavors: {}");
    }
}

fn files() -> (TempDir, Tracking) {
    let temp = tempfile::tempdir().unwrap();
    let root = temp.path().join("mlruns");
    artifacts(&root);
    let run = |id: &str, stage: &str| {
        format!(
            "experiment_id: '1'\nartifact_uri: file://{WAS}/1/{id}/artifacts\nlifecycle_stage: {stage}\n"
        )
    };
    write(&root.join(format!("1/{RUN}/meta.yaml")), &run(RUN, "active"));
    write(&root.join(format!("1/{RUN}/tags/mlflow.log-model.history")), "[]");
    write(&root.join(format!(".trash/2/{DELETED_RUN}/meta.yaml")), &run(DELETED_RUN, "active"));
    for (id, name, created, status) in
        [(OLD, "model", 1, 2), (NEW, "model", 2, 1), (DRAFT, "draft", 3, 3)]
    {
        if id != DRAFT {
            write(&root.join(format!("1/{RUN}/outputs/{id}/meta.yaml")), "step: 0");
        }
        write(
            &root.join(format!("1/models/{id}/meta.yaml")),
            &format!(
                "experiment_id: 1\nartifact_location: {WAS}/1/models/{id}/artifacts\nname: {name}\n\
                 status: {status}\nsource_run_id: {RUN}\ncreation_timestamp: {created}\n"
            ),
        );
    }
    write(
        &root.join("2/models/m-stray/meta.yaml"),
        &format!(
            "experiment_id: 2\nartifact_location: /gone\nname: model\nstatus: 2\n\
             source_run_id: {RUN}\ncreation_timestamp: 9\n"
        ),
    );
    let iris = root.join("models/iris");
    write(&iris.join("meta.yaml"), "name: iris");
    write(&iris.join("aliases/champion"), "1");
    for (number, source, stage) in VERSIONS {
        write(
            &iris.join(format!("version-{number}/meta.yaml")),
            &format!(
                "name: iris\nversion: {number}\nsource: {source}\nstorage_location: {source}\n\
                 run_id: {RUN}\nstatus: READY\ncurrent_stage: {stage}\n"
            ),
        );
    }
    let store = Tracking::store(&StoreUri::Files(root), None).unwrap();
    (temp, store)
}

/// Made from a logged model, from a run's path, deleted, from itself, and by a
/// server with a proxy that is no more.
const VERSIONS: [(u8, &str, &str); 5] = [
    (1, "models:/m-11111111111111111111111111111111", "Production"),
    (2, "runs:/0123456789abcdef0123456789abcdef/plain", "None"),
    (3, "/gone", "Deleted_Internal"),
    (4, "models:/iris/4", "Staging"),
    (5, "mlflow-artifacts:/9/x/artifacts", "Archived"),
];

fn database(path: &Path, workspaces: bool) -> Connection {
    let connection = Connection::open(path).unwrap();
    let (column, value) = if workspaces { (", workspace TEXT", ", 'team'") } else { ("", "") };
    let sql = format!(
        "CREATE TABLE runs (run_uuid TEXT, experiment_id INT, artifact_uri TEXT, lifecycle_stage TEXT);
         CREATE TABLE tags (key TEXT, value TEXT, run_uuid TEXT);
         CREATE TABLE logged_models (model_id TEXT, experiment_id INT, name TEXT,
           artifact_location TEXT, status INT, lifecycle_stage TEXT, source_run_id TEXT,
           creation_timestamp_ms INT);
         CREATE TABLE registered_models (name TEXT{column});
         CREATE TABLE registered_model_aliases (alias TEXT, version INT, name TEXT{column});
         CREATE TABLE model_versions (name TEXT, version INT, source TEXT, storage_location TEXT,
           run_id TEXT, status TEXT, current_stage TEXT{column});
         INSERT INTO runs VALUES ('{RUN}', 1, '{WAS}/1/{RUN}/artifacts', 'active'),
           ('{DELETED_RUN}', 1, '{WAS}/1/{DELETED_RUN}/artifacts', 'deleted');
         INSERT INTO tags VALUES ('mlflow.log-model.history', '[]', '{RUN}');
         INSERT INTO logged_models VALUES
           ('{OLD}', 1, 'model', '{WAS}/1/models/{OLD}/artifacts', 2, 'active', '{RUN}', 1),
           ('{NEW}', 1, 'model', '{WAS}/1/models/{NEW}/artifacts', 1, 'active', '{RUN}', 2),
           ('{DRAFT}', 1, 'draft', '{WAS}/1/models/{DRAFT}/artifacts', 3, 'active', '{RUN}', 3),
           ('m-stray', 2, 'model', '/gone', 2, 'active', '{RUN}', 9),
           ('m-gone', 1, 'model', '/gone', 2, 'deleted', '{RUN}', 3);
         INSERT INTO registered_models VALUES ('iris'{value});
         INSERT INTO registered_model_aliases VALUES ('champion', 1, 'iris'{value});"
    );
    connection.execute_batch(&sql).unwrap();
    for (number, source, stage) in VERSIONS {
        let sql = format!(
            "INSERT INTO model_versions VALUES
               ('iris', {number}, '{source}', '{source}', '{RUN}', 'READY', '{stage}'{value});"
        );
        connection.execute_batch(&sql).unwrap();
    }
    connection
}

fn sqlite(workspace: Option<&str>) -> (TempDir, Tracking) {
    let temp = tempfile::tempdir().unwrap();
    artifacts(&temp.path().join("mlruns"));
    let path = temp.path().join("mlflow.db");
    database(&path, workspace.is_some());
    let store = Tracking::store(&StoreUri::Sqlite(path), workspace).unwrap();
    (temp, store)
}

fn stores() -> [(TempDir, Tracking); 3] {
    [files(), sqlite(None), sqlite(Some("team"))]
}

fn find(store: &Tracking, uri: &str) -> Result<Resolved, crate::Error> {
    resolve(&uri.parse().unwrap(), Some(store))
}

#[test]
fn every_form_leads_to_the_files_though_the_store_was_moved() {
    for (temp, store) in &stores() {
        for (uri, pinned, path) in [
            (
                format!("runs:/{RUN}/plain"),
                format!("runs:/{RUN}/plain"),
                format!("1/{RUN}/artifacts/plain"),
            ),
            (
                format!("runs:/{RUN}/model"),
                format!("models:/{OLD}"),
                format!("1/models/{OLD}/artifacts"),
            ),
            (
                format!("models:/{OLD}"),
                format!("models:/{OLD}"),
                format!("1/models/{OLD}/artifacts"),
            ),
            (
                "models:/iris@champion".into(),
                "models:/iris/1".into(),
                format!("1/models/{OLD}/artifacts"),
            ),
            (
                "models:/iris/PRODUCTION".into(),
                "models:/iris/1".into(),
                format!("1/models/{OLD}/artifacts"),
            ),
            (
                "models:/iris/2/sub".into(),
                "models:/iris/2/sub".into(),
                format!("1/{RUN}/artifacts/plain/sub"),
            ),
        ] {
            let found = find(store, &uri).unwrap();
            assert_eq!(found.uri.to_string(), pinned, "{store:?}");
            let expected = temp.path().join("mlruns").join(path);
            assert_eq!(found.location.to_string(), expected.to_string_lossy(), "{store:?} {uri}");
        }
    }
}

#[test]
fn what_a_person_should_know_is_remarked() {
    for (_temp, store) in &stores() {
        let found = find(store, &format!("runs:/{RUN}/model")).unwrap();
        assert_eq!(found.remarks.len(), 1, "{:?}", found.remarks);
        let said =
            format!("took the last finished one, '{OLD}', as '{NEW}' is LOGGED_MODEL_PENDING");
        assert!(found.remarks[0].0.contains(&format!("has 2 models named 'model'; {said}")));
        assert!(found.remarks[0].1.as_ref().unwrap().contains(NEW));
        for (uri, status) in [
            (format!("models:/{NEW}"), "LOGGED_MODEL_PENDING"),
            (format!("runs:/{RUN}/draft"), "LOGGED_MODEL_UPLOAD_FAILED"),
        ] {
            let found = find(store, &uri).unwrap();
            assert_eq!(found.remarks.len(), 1, "{:?}", found.remarks);
            assert!(found.remarks[0].0.contains(status), "{uri}: {:?}", found.remarks);
        }
        let found = find(store, &format!("runs:/{DELETED_RUN}/x")).unwrap();
        assert!(found.remarks[0].0.contains("marked as deleted"));
        let listed = store.backend().list(Root::Run(RUN), "plain").unwrap();
        assert_eq!(listed[0].path, "plain/MLmodel");
    }
}

#[test]
fn what_is_not_there_is_answered_with_what_is() {
    for (_temp, store) in &stores() {
        for (uri, said) in [
            (format!("runs:/{OLD}/x"), "does not exist at"),
            (RUN.into(), "has 3 models"),
            (format!("models:/m-{RUN}"), "logged model"),
            ("models:/iris@nobody".into(), "has no alias 'nobody'"),
            ("models:/iris/3".into(), "has no version 3"),
            ("models:/iris/Nowhere".into(), "in stage 'Nowhere'"),
            ("models:/rose/1".into(), "registered model 'rose' does not exist"),
            ("models:/../1".into(), "registered model '..' does not exist"),
            ("models:/iris@..".into(), "has no alias '..'"),
            ("models:/iris/4".into(), "leads back to itself"),
            ("models:/iris/latest".into(), "which only a server can read"),
        ] {
            let error = find(store, &uri).unwrap_err();
            assert!(error.to_string().contains(said), "{store:?} {uri}: {error}");
            let hint = deployment::Explain::hint(&error);
            assert!(hint.is_some(), "{store:?} {uri}");
            if said.contains("has 3 models") {
                let choice = format!("mlf-fetch models:/{NEW}  # 'model', LOGGED_MODEL_PENDING");
                assert!(hint.as_ref().unwrap().contains(&choice), "{hint:?}");
            }
            if said.contains("no version 3") {
                assert_eq!(
                    hint.unwrap(),
                    "its versions: 5, 4, 2, 1; its aliases: 'champion' (version 1)"
                );
            }
        }
    }
}

#[test]
fn another_workspace_is_another_registry() {
    let (_temp, store) = sqlite(Some("team"));
    assert!(store.backend().version("iris", &Selector::Version(1)).unwrap().is_some());
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("mlflow.db");
    database(&path, true);
    let default = Tracking::store(&StoreUri::Sqlite(path), None).unwrap();
    assert!(default.backend().version("iris", &Selector::Version(1)).unwrap().is_none());
    assert!(default.backend().registered_model("iris").unwrap().is_none());
}

#[test]
fn a_database_that_is_being_written_is_read_as_it_was() {
    for mode in ["DELETE", "WAL"] {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("mlflow.db");
        let writer = database(&path, false);
        writer.pragma_update(None, "journal_mode", mode).unwrap();
        writer.execute_batch("BEGIN; DELETE FROM runs;").unwrap();
        let store = Tracking::store(&StoreUri::Sqlite(path.clone()), None).unwrap();
        assert!(store.backend().run(RUN).unwrap().is_some(), "{mode}: not committed");
        writer.execute_batch("COMMIT;").unwrap();
        assert!(store.backend().run(RUN).unwrap().is_none(), "{mode}: committed");
    }
}

#[test]
fn a_database_where_nothing_may_be_written_is_read() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("mlflow.db");
    let writer = database(&path, false);
    writer.pragma_update(None, "journal_mode", "WAL").unwrap();
    drop(writer);
    let allow = |mode| fs::set_permissions(temp.path(), fs::Permissions::from_mode(mode)).unwrap();
    allow(0o555);
    let store = Tracking::store(&StoreUri::Sqlite(path), None);
    let found = store.and_then(|store| store.backend().run(RUN));
    allow(0o755);
    assert!(found.unwrap().is_some());
}

#[test]
fn what_is_no_store_is_refused() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("x.db");
    let open = |uri: StoreUri| Tracking::store(&uri, None).unwrap_err().to_string();
    assert!(open(StoreUri::Sqlite(path.clone())).contains("there is no database at"));
    assert!(open(StoreUri::Files(path.clone())).contains("there is no store at"));
    fs::write(&path, "this is text, and more of it than a header takes").unwrap();
    assert!(open(StoreUri::Sqlite(path.clone())).contains("cannot read the database"));
    fs::write(&path, "").unwrap();
    assert!(open(StoreUri::Sqlite(path)).contains("is not a database of MLflow"));
}

#[test]
fn broken_records_are_named() {
    let (temp, store) = files();
    let meta = temp.path().join(format!("mlruns/1/{RUN}/meta.yaml"));
    for text in ["[", "experiment_id: 1", &"#".repeat(5 << 20)] {
        fs::write(&meta, text).unwrap();
        let error = find(&store, &format!("runs:/{RUN}/x")).unwrap_err();
        assert!(error.to_string().contains("meta.yaml' is not MLflow's"), "{error}");
    }
    let uri: ModelUri = format!("models:/{OLD}").parse().unwrap();
    assert!(resolve(&uri, Some(&store)).is_ok(), "the others are as they were");
    let (temp, store) = files();
    write(&temp.path().join("mlruns/1/models/m-x/meta.yaml"), "[");
    assert!(find(&store, &format!("runs:/{RUN}/model")).is_ok(), "it is not this run's");
}

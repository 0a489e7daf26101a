//! What the MLflow plugin takes as `-C NAME=VALUE`: the fields of the spec, and
//! the flags of the tools that deploy. Its Python has no list of its own.

use std::any::TypeId;
use std::collections::BTreeMap;

use clap::{Arg, ArgAction, Command};
use serde_json::{Map, Value, json};
use stage::settings;

/// The stages, each with the command that is it.
const STAGES: [(&str, &[&str]); 5] = [
    ("fetch", &["mlf-fetch"]),
    ("bundle", &["aip-bundle"]),
    ("upload", &["aip-upload"]),
    ("model", &["aip-model", "create"]),
    ("version", &["aip-version", "create"]),
];

/// Flags that the plugin gives by itself, or in another way.
const OWN: [&str; 10] = [
    "access-token-file",
    "before-upload",
    "document",
    "dry-run",
    "help",
    "log-format",
    "output",
    "quiet",
    "regional-endpoint",
    "verbose",
];

/// Flags that mean something else to each tool: the first stage has them. A
/// header for the tracking server may be a secret, and is none of Google's business.
const APART: [&str; 1] = ["header"];

pub(crate) fn text() -> String {
    let settings = json!({"fields": fields(), "flags": flags()});
    let mut text = serde_json::to_string_pretty(&settings).unwrap_or_default();
    text.push('\n');
    text
}

/// The spec's fields by their paths, one level below `vertex` and `aiPlatform`.
fn fields() -> Value {
    let schema: Value = serde_json::from_str(&crate::schema::text()).unwrap_or_default();
    let defs = &schema["$defs"];
    let mut fields = Map::new();
    for (name, node) in properties(&defs["Spec"]) {
        fields.insert(name.clone(), field(name, node, defs));
        if let Some(nested) = node["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
            for (inner, node) in properties(&defs[nested]) {
                let path = format!("{name}.{inner}");
                fields.insert(path.clone(), field(&path, node, defs));
            }
        }
    }
    Value::Object(fields)
}

fn properties(node: &Value) -> impl Iterator<Item = (&String, &Value)> {
    node["properties"].as_object().into_iter().flatten()
}

/// One field: its type, the words it takes, and where else it may come from.
fn field(path: &str, node: &Value, defs: &Value) -> Value {
    let choices: Vec<_> = node["anyOf"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|choice| choice["$ref"].as_str()?.rsplit('/').next())
        .flat_map(|name| defs[name]["oneOf"].as_array().into_iter().flatten())
        .filter_map(|word| word["const"].as_str())
        .collect();
    let basic = match &node["type"] {
        Value::String(basic) => basic.as_str(),
        // Of a type and null, the type.
        Value::Array(basics) => basics.iter().find_map(Value::as_str).unwrap_or("string"),
        _ if choices.is_empty() => "object",
        _ => "string",
    };
    let mut field = json!({"type": basic, "help": one_line(&node["description"])});
    if !choices.is_empty() {
        field["choices"] = json!(choices);
    }
    let setting = settings::ALL.iter().find(|one| one.field.strip_prefix("spec.") == Some(path));
    if let Some(setting) = setting {
        field["flag"] = json!(setting.name);
        field["env"] = json!(setting.env);
    }
    if path == "target" {
        field["default"] = json!(deployment::Target::DEFAULT);
    }
    field
}

/// The flags by name. A flag that several stages have is given to each, but
/// for what the bundle settles, which the version takes from it.
fn flags() -> Value {
    let tools = crate::tools::all();
    let mut flags: BTreeMap<String, Value> = BTreeMap::new();
    for (stage, path) in STAGES {
        let Some(command) = find(&tools, path) else { continue };
        for arg in command.get_arguments() {
            let Some(name) = arg.get_long().filter(|name| !is_setting(name)) else { continue };
            let Some(known) = flags.get_mut(name) else {
                flags.insert(name.to_owned(), flag(stage, arg));
                continue;
            };
            if !APART.contains(&name)
                && known["stages"] != json!(["bundle"])
                && let Some(stages) = known["stages"].as_array_mut()
            {
                stages.push(json!(stage));
            }
        }
    }
    json!(flags)
}

fn find<'a>(tools: &'a [Command], path: &[&str]) -> Option<&'a Command> {
    let (tool, verbs) = path.split_first()?;
    let command = tools.iter().find(|command| command.get_name() == *tool)?;
    verbs.iter().try_fold(command, |command, verb| command.find_subcommand(verb))
}

fn is_setting(flag: &str) -> bool {
    OWN.contains(&flag) || settings::ALL.iter().any(|setting| setting.name == flag)
}

fn flag(stage: &str, arg: &Arg) -> Value {
    let parsed = arg.get_value_parser().type_id();
    let integers =
        [TypeId::of::<u8>(), TypeId::of::<u16>(), TypeId::of::<u32>(), TypeId::of::<u64>()];
    let basic = match arg.get_action() {
        ArgAction::SetTrue => "boolean",
        ArgAction::Append => "array",
        _ if integers.iter().any(|integer| parsed == *integer) => "integer",
        _ if parsed == TypeId::of::<usize>() => "integer",
        _ if parsed == TypeId::of::<f64>() => "number",
        _ => "string",
    };
    let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    let mut flag = json!({"type": basic, "help": help, "stages": [stage]});
    // Tools refuse the other target's flags, but late: nothing need be fetched
    // for that.
    match arg.get_help_heading() {
        Some("Vertex AI" | "Canary") => flag["target"] = json!("vertex"),
        Some("AI Platform") => flag["target"] = json!("ai-platform"),
        _ => {}
    }
    flag
}

fn one_line(text: &Value) -> String {
    text.as_str().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ")
}

//! `servers header`: what goes with each request to a remote server.

use std::process::ExitCode;

use serde_json::json;

use crate::{
    api::{Api, part},
    args::HeaderCommand,
    commands::{servers::of, servers_add},
    output,
};

pub(super) async fn run(
    api: &mut Api,
    command: HeaderCommand,
    as_json: bool,
) -> anyhow::Result<ExitCode> {
    let said = match command {
        HeaderCommand::Set {
            server,
            header,
            from_env,
        } => {
            let value = match from_env {
                Some(variable) => servers_add::of_variable(header.as_str(), &variable)?,
                None => servers_add::ask(header.as_str())?,
            };
            let body = json!({ "value": value.expose() });
            api.put_body(&path(&server, header.as_str()), &body).await?;
            format!("server `{server}` gets `{header}` with each request")
        }
        HeaderCommand::Remove { server, header } => {
            api.delete(&path(&server, header.as_str())).await?;
            format!("server `{server}` does not get `{header}` any more")
        }
    };
    if !as_json {
        output::line(said);
    }
    Ok(ExitCode::SUCCESS)
}

fn path(server: &str, header: &str) -> String {
    of(server, &format!("/headers/{}", part(header)))
}

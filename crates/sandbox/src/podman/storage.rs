use std::{collections::BTreeMap, path::Path, time::Duration};

use domain::InstanceId;
use http::Method;
use serde::Deserialize;
use serde_json::json;

use super::{
    api::{Api, Call},
    container::{LABEL_INSTANCE, volume_name},
    told,
};
use crate::{SandboxError, VolumeInfo};

const LABEL_VOLUME: &str = "archestra.volume";
/// A base image has 400 MB.
const IMPORT_TIMEOUT: Duration = Duration::from_secs(600);

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Volume {
    #[serde(default)]
    labels: Option<BTreeMap<String, String>>,
    #[serde(default)]
    options: Option<BTreeMap<String, String>>,
}

/// Returns whether the volume has a limit of its size.
pub(super) async fn create_volume(
    api: &Api,
    instance: InstanceId,
    name: &str,
    size_bytes_max: Option<u64>,
) -> Result<bool, SandboxError> {
    if let Some(it) = find(api, instance, name).await? {
        return Ok(it
            .options
            .is_some_and(|it| it.contains_key("SIZE") || it.contains_key("o")));
    }
    let create = async |options: serde_json::Value| {
        let body = json!({
            "Name": volume_name(instance, name),
            "Label": {LABEL_INSTANCE: instance.to_string(), LABEL_VOLUME: name},
            "Options": options,
        });
        api.call_with(Call::new(Method::POST, "/volumes/create"), &body)
            .await
    };
    if let Some(size) = size_bytes_max {
        match create(json!({"o": format!("size={size}")})).await {
            Ok(_) => return Ok(true),
            // Most file systems know no quotas of folders.
            Err(err) => tracing::debug!(
                volume.name = name,
                error = &err as &dyn std::error::Error,
                "Volumes have no limit of their size here"
            ),
        }
    }
    let created = create(json!({})).await;
    created.map_err(|err| told("create a volume", err))?;
    Ok(false)
}

pub(super) async fn remove_volume(
    api: &Api,
    instance: InstanceId,
    name: &str,
) -> Result<(), SandboxError> {
    let path = format!("/volumes/{}", volume_name(instance, name));
    match api.call(Call::new(Method::DELETE, &path)).await {
        Err(err) if !err.is_not_found() => Err(told("remove a volume", err)),
        _ => Ok(()),
    }
}

pub(super) async fn volume_exists(
    api: &Api,
    instance: InstanceId,
    name: &str,
) -> Result<bool, SandboxError> {
    Ok(find(api, instance, name).await?.is_some())
}

async fn find(api: &Api, instance: InstanceId, name: &str) -> Result<Option<Volume>, SandboxError> {
    let path = format!("/volumes/{}/json", volume_name(instance, name));
    match api.call_for::<Volume>(Call::new(Method::GET, &path)).await {
        Ok(it) => Ok(Some(it)),
        Err(err) if err.is_not_found() => Ok(None),
        Err(err) => Err(told("look at a volume", err)),
    }
}

pub(super) async fn list_volumes(
    api: &Api,
    instance: InstanceId,
) -> Result<Vec<VolumeInfo>, SandboxError> {
    let filter = json!({"label": [format!("{LABEL_INSTANCE}={instance}")]});
    let list = Call::new(Method::GET, "/volumes/json").query(&[("filters", &filter.to_string())]);
    let volumes = api.call_for::<Option<Vec<Volume>>>(list).await;
    let volumes = volumes.map_err(|err| told("list the volumes", err))?;
    let named = volumes.unwrap_or_default().into_iter();
    let mut infos: Vec<VolumeInfo> = named
        .filter_map(|it| it.labels?.remove(LABEL_VOLUME))
        .map(VolumeInfo::named)
        .collect();
    infos.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(infos)
}

pub(super) async fn image_exists(api: &Api, reference: &str) -> Result<bool, SandboxError> {
    let path = format!("/images/{reference}/exists");
    match api.call(Call::new(Method::GET, &path)).await {
        Ok(_) => Ok(true),
        Err(err) if err.is_not_found() => Ok(false),
        Err(err) => Err(told("look for the image", err)),
    }
}

pub(super) async fn import_image(
    api: &Api,
    tar: &Path,
    reference: &str,
) -> Result<(), SandboxError> {
    if image_exists(api, reference).await? {
        return Ok(());
    }
    let import = Call::new(Method::POST, "/images/import")
        .query(&[("reference", reference)])
        .limit(IMPORT_TIMEOUT);
    let imported = api.upload(import, tar).await;
    imported.map_err(|err| told("import the image", err))?;
    Ok(())
}

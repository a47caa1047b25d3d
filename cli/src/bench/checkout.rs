//! Where ntheap's sources are, and where what is built from them goes.

use super::Stop;
use std::env;
use std::path::{Path, PathBuf};

/// The nearest folder, from the current one upward, in which `inside` is.
pub(crate) fn find(inside: &str) -> Result<PathBuf, Stop> {
    let here = env::current_dir()
        .map_err(|e| Stop::Failed(format!("cannot tell the current folder: {e}")))?;
    above(&here, inside).ok_or_else(|| {
        Stop::Failed(format!(
            "no folder {inside} in {} or above it.\n\
             The programs it runs are built from ntheap's sources: run it in a checkout of them.",
            here.display()
        ))
    })
}

fn above(here: &Path, inside: &str) -> Option<PathBuf> {
    let mut folders = here.ancestors();
    folders
        .find(|folder| folder.join(inside).is_dir())
        .map(Path::to_owned)
}

/// Cargo's target folder of the checkout.
pub(crate) fn target(checkout: &Path) -> Result<PathBuf, Stop> {
    match env::var_os("CARGO_TARGET_DIR").filter(|v| !v.is_empty()) {
        // Cargo takes a relative one from the folder it is called in.
        Some(folder) => {
            std::path::absolute(folder).map_err(|e| Stop::Failed(format!("CARGO_TARGET_DIR: {e}")))
        }
        None => Ok(checkout.join("target")),
    }
}

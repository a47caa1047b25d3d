//! Finding libntheap.so.

use super::failure::{Failure, INTERNAL, NO_LIBRARY};
use std::env;
use std::path::{Path, PathBuf};

/// Names the library where it is not beside the command.
const VARIABLE: &str = "NTHEAP_LIBRARY";
const NAME: &str = "libntheap.so";

/// The library's absolute path, fit for `LD_PRELOAD`.
pub(crate) fn find() -> Result<PathBuf, Failure> {
    if let Some(named) = env::var_os(VARIABLE).filter(|v| !v.is_empty()) {
        let named = PathBuf::from(named);
        return match named.canonicalize() {
            Ok(path) if path.is_file() => preloadable(path),
            _ => Err(missing(&format!(
                "{VARIABLE} names {}, which is no file",
                named.display()
            ))),
        };
    }
    let command = env::current_exe()
        .and_then(|exe| exe.canonicalize())
        .map_err(|e| Failure::new(INTERNAL, format!("cannot tell where this command is: {e}")))?;
    let places = places(&command);
    match places.iter().find(|place| place.is_file()) {
        Some(found) => preloadable(found.canonicalize().unwrap_or_else(|_| found.clone())),
        None => {
            let tried: Vec<String> = places
                .iter()
                .map(|place| format!("  {}", place.display()))
                .collect();
            Err(missing(&format!("looked for\n{}", tried.join("\n"))))
        }
    }
}

/// Beside the command, and in the `lib` beside its folder.
fn places(command: &Path) -> Vec<PathBuf> {
    let folder = command.parent().unwrap_or(Path::new("/"));
    let mut places = vec![folder.join(NAME)];
    if let Some(prefix) = folder.parent() {
        places.push(prefix.join("lib").join(NAME));
    }
    places
}

fn missing(why: &str) -> Failure {
    Failure::new(
        NO_LIBRARY,
        format!(
            "{NAME} was not found: {why}\n\
             Build it, in the folder of ntheap's sources, with\n  \
             cargo build --release --workspace\n\
             or name it in the environment variable {VARIABLE}."
        ),
    )
}

/// `LD_PRELOAD` is a list parted by colons and spaces, in which a dollar sign
/// begins a token to be replaced, and has no escapes.
pub(crate) fn preloadable(path: PathBuf) -> Result<PathBuf, Failure> {
    let name = path.as_os_str().as_encoded_bytes();
    if name
        .iter()
        .any(|&b| b == b':' || b == b'$' || b.is_ascii_whitespace())
    {
        return Err(Failure::new(
            NO_LIBRARY,
            format!(
                "{} cannot be preloaded: LD_PRELOAD has no way to say a space, a colon or a \
                 dollar sign in a path. Copy the library elsewhere and name it in {VARIABLE}.",
                path.display()
            ),
        ));
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beside_the_command_comes_before_lib() {
        let found = places(Path::new("/opt/x/bin/ntheap"));
        assert_eq!(found[0], Path::new("/opt/x/bin/libntheap.so"));
        assert_eq!(found[1], Path::new("/opt/x/lib/libntheap.so"));
    }

    #[test]
    fn paths_that_ld_preload_would_split_are_refused() {
        for bad in ["/a b/l.so", "/a:b/l.so", "/$ORIGIN/l.so"] {
            let failure = preloadable(bad.into()).expect_err(bad);
            assert_eq!(failure.code, NO_LIBRARY);
            assert!(failure.message.contains(bad));
        }
        assert!(preloadable("/a-b/l.so".into()).is_ok());
    }
}

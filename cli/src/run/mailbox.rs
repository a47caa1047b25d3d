//! The file to which the library reports, in a folder nobody else may enter.

use super::failure::{Failure, INTERNAL};
use std::env;
use std::ffi::{CString, OsString};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// An empty file and a folder for reports in a private folder; all go when it is dropped.
#[derive(Debug)]
pub(crate) struct Mailbox {
    folder: PathBuf,
    file: PathBuf,
}

impl Mailbox {
    pub(crate) fn new() -> Result<Mailbox, Failure> {
        Mailbox::create().map_err(|e| {
            let place = env::temp_dir();
            Failure::new(
                INTERNAL,
                format!("cannot make a folder in {}: {e}", place.display()),
            )
        })
    }

    fn create() -> io::Result<Mailbox> {
        let pattern = env::temp_dir().join("ntheap-run-XXXXXX");
        let pattern = CString::new(pattern.into_os_string().into_vec())?.into_raw();
        // SAFETY: the pattern is a writable C string that ends in six X, which
        // mkdtemp replaces in place, keeping its length.
        let made = !unsafe { libc::mkdtemp(pattern) }.is_null();
        let error = io::Error::last_os_error();
        // SAFETY: the pointer is from into_raw and the length is unchanged.
        let name = unsafe { CString::from_raw(pattern) };
        if !made {
            return Err(error);
        }
        let folder = PathBuf::from(OsString::from_vec(name.into_bytes()));
        // The folder is the mailbox's from here on, and goes with it.
        let mailbox = Mailbox {
            file: folder.join("events"),
            folder,
        };
        fs::File::create_new(&mailbox.file)?;
        fs::create_dir(mailbox.stops())?;
        Ok(mailbox)
    }

    /// The file's path.
    pub(crate) fn path(&self) -> &Path {
        &self.file
    }

    /// The folder that copies of reports go to.
    pub(crate) fn stops(&self) -> PathBuf {
        self.folder.join("stops")
    }

    /// What was written so far.
    pub(crate) fn read(&self) -> Result<String, Failure> {
        fs::read(&self.file)
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .map_err(|e| Failure::new(INTERNAL, format!("cannot read the library's report: {e}")))
    }
}

impl Drop for Mailbox {
    fn drop(&mut self) {
        // A process that outlives the program may write at this moment; what
        // is left then is an empty folder in the temporary one.
        let _ = fs::remove_file(&self.file);
        let _ = fs::remove_dir_all(self.stops());
        let _ = fs::remove_dir(&self.folder);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn private_while_it_lives_and_gone_afterwards() {
        let mailbox = Mailbox::new().expect("a mailbox");
        let folder = mailbox.folder.clone();
        let mode = fs::metadata(&folder)
            .expect("a folder")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o700);
        fs::write(mailbox.path(), "x").expect("written");
        assert_eq!(mailbox.read().expect("read"), "x");
        drop(mailbox);
        assert!(!folder.exists());
    }
}

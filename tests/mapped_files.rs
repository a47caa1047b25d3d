//! Files as slices: `vm::MappedFile` and its kin.

use ntheap::vm::{MappedFile, MappedFileMut};

/// A file of a test, which goes with it.
struct TestFile(std::path::PathBuf);

impl TestFile {
    fn new(name: &str, bytes: &[u8]) -> TestFile {
        let own = format!("ntheap-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(own);
        std::fs::write(&path, bytes).expect("written");
        TestFile(path)
    }

    fn open(&self, write: bool) -> std::fs::File {
        let mut options = std::fs::File::options();
        let opened = options.read(true).write(write).open(&self.0);
        opened.expect("opened")
    }

    fn bytes(&self) -> Vec<u8> {
        std::fs::read(&self.0).expect("read")
    }
}

impl Drop for TestFile {
    fn drop(&mut self) {
        std::fs::remove_file(&self.0).expect("removed");
    }
}

#[test]
fn a_mapped_file_is_a_slice() {
    let numbers: Vec<u32> = (0..5000).map(|nth| nth * nth).collect();
    let bytes: Vec<u8> = numbers
        .iter()
        .flat_map(|number| number.to_ne_bytes())
        .collect();
    let file = TestFile::new("slice", &bytes);
    // SAFETY: the file is this test's, and stays as it is while it is mapped.
    unsafe {
        let all = MappedFile::<u32>::new(&file.open(false)).expect("mapped");
        assert_eq!(all[..], numbers);
        let pairs = MappedFile::<[u32; 2]>::new(&file.open(false)).expect("mapped");
        assert_eq!(pairs[1000], [numbers[2000], numbers[2001]]);
        let odd = MappedFile::<[u8; 3]>::new(&file.open(false));
        let kind = odd.expect_err("20,000 bytes").kind();
        assert_eq!(kind, std::io::ErrorKind::InvalidData);
        assert!(MappedFile::<[u8; 0]>::new(&file.open(false)).is_err());
    }
}

#[test]
fn what_is_written_to_a_mapped_file_reaches_it_unless_it_is_copied() {
    let file = TestFile::new("written", &[0; 3 * 4096]);
    // SAFETY: the file is this test's, which maps it once at a time.
    unsafe {
        let mut copies = MappedFileMut::<u8>::copied(&file.open(false)).expect("mapped");
        copies[5000] = 9;
        copies.flush().expect("nothing to do");
        assert_eq!(copies[5000], 9);
        assert_eq!(file.bytes()[5000], 0);
        drop(copies);
        let read_only = MappedFileMut::<u8>::new(&file.open(false));
        let kind = read_only.expect_err("not opened for writing").kind();
        assert_eq!(kind, std::io::ErrorKind::PermissionDenied);
        let mut written = MappedFileMut::<u64>::new(&file.open(true)).expect("mapped");
        written.fill(u64::from_ne_bytes(*b"abcdefgh"));
        drop(written);
        assert!(file.bytes().chunks(8).all(|bytes| bytes == b"abcdefgh"));
    }
}

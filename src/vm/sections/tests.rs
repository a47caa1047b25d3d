use super::super::regions::{self, Protect, View, Whereabouts};
use super::*;
use crate::sys;
use std::vec::Vec;

fn name(text: &str) -> Vec<u16> {
    let own = std::format!("{text}-{}", sys::process_id());
    own.encode_utf16().collect()
}

fn request(name: &[u16]) -> Request<'_> {
    Request {
        name,
        file: None,
        size: 0x10000,
        protect: 4,
        attributes: 0x800_0000,
        writes: true,
    }
}

#[test]
fn a_name_leads_to_its_section_until_the_last_handle_goes() {
    let name = name("leads");
    assert_eq!(open(&name), Err(Failure::NotFound));
    let (first, existed) = create(&request(&name)).expect("made");
    assert!(!existed);
    let (second, existed) = create(&request(&name)).expect("opened");
    assert!(existed);
    assert_eq!(first, second, "one section of a name in a process");
    assert_eq!(open(&name), Ok(first));
    drop_handle(first);
    drop_handle(first);
    assert!(add_view(first).is_some());
    drop_handle(first);
    assert_eq!(open(&name), Err(Failure::NotFound), "a view holds no name");
    let (again, existed) = create(&request(&name)).expect("made again");
    assert!(!existed);
    assert_ne!(again, first, "the viewed one is still there");
    drop_handle(again);
    drop_view(first);
    assert!(get(first).is_none());
}

#[test]
fn another_holder_is_found_through_its_descriptors() {
    // As another copy in this process would: found by the list of addresses.
    let name = name("found");
    let (first, _) = create(&request(&name)).expect("made");
    let key_and_record = names::with_lock(&name, |key| {
        let record = SECTIONS
            .lock()
            .get_mut(first)
            .and_then(|record| record.holder.take());
        // The section is not found in this process's own list now.
        Ok((*key, record))
    });
    let (key, holder) = key_and_record.expect("the lock");
    let second = open(&name).expect("opened");
    assert_ne!(first, second);
    let (one, two) = (get(first).expect("there"), get(second).expect("there"));
    let identity = |section: Section| files::status(section.data).expect("open").identity;
    assert_eq!(identity(one), identity(two));
    assert_eq!((one.size, one.protect), (two.size, two.protect));
    drop_handle(first);
    files::close(holder.expect("held"));
    assert_eq!(open(&name), Ok(second), "the second holder keeps the name");
    drop_handle(second);
    drop_handle(second);
    let mut left = 0;
    sys::names::for_each_held(key.as_bytes(), &mut |_| {
        left += 1;
        true
    })
    .expect("the list");
    assert_eq!(left, 0);
}

#[test]
fn what_is_committed_of_a_section_is_given_back_with_it() {
    let name = name("sparse");
    let mut wanted = request(&name);
    wanted.attributes = RESERVED;
    let (number, _) = create(&wanted).expect("made");
    let section = add_view(number).expect("there");
    let view = View {
        section: number,
        offset: 0,
        commits: section.commits,
        token: section.charges,
        file: section.data,
        charged: 0,
        seen: 0,
        next: 0,
    };
    let base = regions::insert_view(
        &Whereabouts::default(),
        0x10000,
        view,
        Protect::READ_WRITE,
        false,
        // SAFETY: the range is the new view's.
        |base| unsafe {
            files::map(
                base,
                0x10000,
                section.data,
                0,
                sys::Protection::ReadWrite,
                false,
            )
            .is_ok()
        },
    );
    let base = base.expect("a view");
    for offset in [0x3000, 0x4000] {
        regions::commit(base + offset, 0x2000, Protect::READ_WRITE).expect("committed");
    }
    let at = |offset| regions::find(base + offset).expect("a view").committed;
    assert_eq!(at(0x2000), None);
    assert_eq!(at(0x5000), Some(Protect::READ_WRITE));
    assert_eq!(at(0x6000), None);
    // SAFETY: a count is a word that lives as long as the section.
    let charged = unsafe { *core::ptr::with_exposed_provenance::<usize>(section.charges) };
    assert_eq!(charged, 0x3000);
    // SAFETY: nobody uses the view.
    unsafe { regions::drop_view(base, false) }.expect("dropped");
    drop_view(number);
    drop_handle(number);
    assert!(get(number).is_none());
}

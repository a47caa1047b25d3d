//! The variables as a list of pairs, the warnings as a string.

use super::*;
use std::string::{String, ToString};
use std::vec::Vec;

fn read_pairs(pairs: &[(&str, &[u8])]) -> (GlobalFlags, String) {
    let mut warnings = String::new();
    let flags = read(
        |visit| {
            for (name, value) in pairs {
                visit(name.as_bytes(), value);
            }
        },
        &mut |text| warnings.push_str(std::str::from_utf8(text).expect("warnings are UTF-8")),
    );
    (flags, warnings)
}

fn bits(text: &str) -> u32 {
    let (flags, warnings) = read_pairs(&[("NTHEAP_GFLAGS", text.as_bytes())]);
    assert_eq!(warnings, "", "{text}");
    flags.bits
}

#[test]
fn flags_by_name_and_number() {
    assert_eq!(bits(""), 0);
    assert_eq!(bits("+htc"), 0x10);
    assert_eq!(bits("hpa,+ust , -htc"), 0x0200_1000);
    assert_eq!(bits("+htc,+hfc,-htc"), 0x20);
    assert_eq!(bits("0x70"), 0x70);
    assert_eq!(bits("70"), 0x70, "gflags reads numbers as hexadecimal");
    assert_eq!(bits("0x70 -HFC"), 0x50);
    assert_eq!(bits("0xffffffff"), u32::MAX);
    for flag in &FLAGS {
        assert_eq!(bits(flag.name), flag.bit);
        assert!(flag.bit.is_power_of_two());
    }
}

#[test]
fn flags_of_the_table_differ() {
    for (index, flag) in FLAGS.iter().enumerate() {
        assert!(
            FLAGS[..index]
                .iter()
                .all(|before| before.bit < flag.bit && before.name != flag.name)
        );
    }
}

#[test]
fn sub_options() {
    let (flags, warnings) = read_pairs(&[(
        "NTHEAP_GFLAGS",
        b"+hvc:100,+ust:tracedb=16,+hpa:backwards:size=10-0x20:random=25",
    )]);
    assert_eq!(warnings, "");
    assert_eq!(flags.validate_every, 100);
    assert_eq!(flags.trace_bytes, 16 << 20);
    assert!(flags.page.backwards && !flags.page.light && !flags.page.unaligned);
    assert_eq!((flags.page.sizes, flags.page.percent), ((10, 32), 25));
}

#[test]
fn fault_injection_has_a_rate_a_timeout_and_a_seed() {
    let read = |text: &str| {
        let (flags, warnings) = read_pairs(&[("NTHEAP_GFLAGS", text.as_bytes())]);
        let Faults {
            rate,
            timeout,
            seed,
        } = flags.faults;
        ((rate, timeout, seed), warnings.is_empty(), flags.bits)
    };
    assert_eq!(read(""), ((0, 5, None), true, 0));
    assert_eq!(read("fault"), ((100, 5, None), true, 0));
    assert_eq!(read("+fault=1"), ((1, 5, None), true, 0));
    assert_eq!(read("fault=10000:0"), ((10_000, 0, None), true, 0));
    assert_eq!(
        read("+htc,fault=250:60:seed=0x1f"),
        ((250, 60, Some(31)), true, 0x10)
    );
    assert_eq!(read("fault=7:seed=3:2"), ((7, 2, Some(3)), true, 0));
    assert_eq!(read("fault=7:0,-fault"), ((0, 0, None), true, 0));
    for wrong in ["fault=", "fault=0", "fault=10001", "fault=x", "faults"] {
        assert_eq!(read(wrong), ((0, 5, None), false, 0), "{wrong}");
    }
    for wrong in ["fault=9:", "fault=9:x", "fault=9:seed=", "fault=9:seed"] {
        assert_eq!(read(wrong), ((9, 5, None), false, 0), "{wrong}");
    }
}

#[test]
fn page_heap_and_reports_have_variables() {
    let (flags, warnings) = read_pairs(&[
        (
            "NTHEAP_PAGEHEAP",
            b"light,unaligned,delay=1M,dlls=liba.so+b",
        ),
        ("NTHEAP_REPORT", b"json"),
        ("NTHEAP_REPORT", b"text"),
    ]);
    assert_eq!(warnings, "");
    assert!(flags.page.light && flags.page.unaligned);
    assert_eq!(flags.page.delayed, 1 << 20);
    let modules: Vec<_> = flags.page.modules().collect();
    assert_eq!(modules, [&b"liba.so"[..], b"b"]);
    assert!(flags.json, "of a name set twice the first counts");
    assert_eq!(GlobalFlags::NONE.page.modules().count(), 0);
}

#[test]
fn mistakes_are_told_once_a_variable_and_the_rest_counts() {
    let (flags, warnings) = read_pairs(&[("NTHEAP_GFLAGS", b"+htc,+xyz,+abc,+hfc:9,-q")]);
    assert_eq!(flags.bits, 0x30);
    assert_eq!(
        warnings,
        "ntheap: NTHEAP_GFLAGS: +xyz is not known and ignored; valid: a number, or + or - and \
         one of htc hfc hpc hvc htg ust htd dhc hpa; or fault=RATE:SECONDS:seed=N\n"
    );
    for wrong in [
        "size=5-4",
        "size=x",
        "random=101",
        "dlls=",
        "delay",
        "full=",
        "odd",
    ] {
        let (flags, warnings) = read_pairs(&[("NTHEAP_PAGEHEAP", wrong.as_bytes())]);
        let is_right = wrong == "full=";
        assert_eq!(warnings.is_empty(), is_right, "{wrong}");
        assert!(
            is_right || flags == GlobalFlags::NONE || wrong == "dlls=",
            "{wrong}"
        );
    }
    let (flags, warnings) = read_pairs(&[("NTHEAP_REPORT", b"xml")]);
    assert!(!flags.json);
    assert_eq!(
        warnings,
        "ntheap: NTHEAP_REPORT: xml is not known and ignored; valid: text, json\n"
    );
}

#[test]
fn any_bytes_will_do() {
    let mut state = 1u64;
    for _ in 0..20_000 {
        let mut text = Vec::new();
        while !state.is_multiple_of(13) {
            state = state
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            let pick = (state >> 33) as usize;
            let words: [&[u8]; 8] = [
                b"+hpa",
                b":",
                b"size=",
                b"9",
                b",",
                b"-",
                b"ust:tracedb=",
                &[0xff],
            ];
            text.extend_from_slice(words[pick % words.len()]);
            state ^= state >> 29;
        }
        state = state.wrapping_add(1);
        let (flags, _) = read_pairs(&[("NTHEAP_GFLAGS", &text), ("NTHEAP_PAGEHEAP", &text)]);
        assert!(flags.validate_every > 0 && flags.page.sizes.0 <= flags.page.sizes.1);
    }
}

#[test]
fn items_of_the_tables_are_taken() {
    let tables = [
        (&b"NTHEAP_PAGEHEAP"[..], &PAGE_ITEMS[..]),
        (b"NTHEAP_REPORT", &REPORT_ITEMS),
    ];
    for (variable, table) in tables {
        for item in table {
            let written = item
                .text
                .replace("A-B", "16-32")
                .replace("PERCENT", "5")
                .replace("BYTES", "1M")
                .replace("NAME+NAME", "a.so+b.so");
            let mut flags = GlobalFlags::NONE;
            assert!(apply(&mut flags, variable, written.as_bytes()), "{written}");
            assert!(!apply(&mut flags, variable, b"elephants"));
            assert!(valid(variable).to_string().contains(item.text));
        }
    }
    let mut flags = GlobalFlags::NONE;
    assert!(!apply(&mut flags, b"NTHEAP_CRT", b"private"));
}

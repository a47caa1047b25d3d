//! `ntheap gflags`: flags listed, and values taken as the library takes them.

mod common;

use common::{ntheap, output, stderr, stdout};
use serde_json::{Value, json};

fn gflags(args: &[&str]) -> std::process::Output {
    output(ntheap().arg("gflags").args(args))
}

fn as_json(args: &[&str]) -> Value {
    let out = gflags(&[args, &["--format", "json"]].concat());
    assert_eq!(out.status.code(), Some(0), "{}", stderr(&out));
    serde_json::from_slice(&out.stdout).expect("JSON")
}

#[test]
fn every_flag_is_listed() {
    let out = gflags(&[]);
    assert_eq!(out.status.code(), Some(0));
    let text = stdout(&out);
    let flags = as_json(&[]);
    let flags = flags["flags"].as_array().expect("flags");
    assert_eq!(flags.len(), 31);
    for flag in flags {
        let name = flag["name"].as_str().expect("a name");
        assert!(text.contains(&format!(" {name}")), "{name}");
        if let Some(effect) = flag["effect"].as_str() {
            let number = flag["number"].as_str().expect("a number");
            let line = text
                .lines()
                .find(|line| line.trim_start().starts_with(&format!("{name} ")))
                .unwrap_or_else(|| panic!("no line for {name}"));
            assert!(line.contains(number) && line.ends_with(effect), "{line}");
        }
    }
    for item in ["backwards", "size=A-B", "json", "hvc:N"] {
        assert!(text.contains(item), "{item}");
    }
}

#[test]
fn a_value_is_told_by_name_and_by_number() {
    let out = gflags(&["0x02000070"]);
    let text = stdout(&out);
    assert!(text.starts_with("NtGlobalFlag 0x02000070\n"), "{text}");
    for flag in ["htc", "hfc", "hpc", "hpa"] {
        assert!(text.contains(&format!("\n  {flag} ")), "{text}");
    }
    assert!(
        text.ends_with("\nNTHEAP_GFLAGS=+htc,+hfc,+hpc,+hpa\n"),
        "{text}"
    );
    let found = as_json(&["+hpa,+ust,+htc,-hpa"]);
    assert_eq!(found["nt_global_flag"], "0x00001010");
    let found = as_json(&["+hvc:50,+hpa:light", "NTHEAP_PAGEHEAP=random=5"]);
    assert_eq!(
        found["environment"],
        json!({ "NTHEAP_GFLAGS": "+hvc:50,+hpa", "NTHEAP_PAGEHEAP": "light,random=5" })
    );
    assert_eq!(found["validate_every"], 50);
    let found = as_json(&["0x210"]);
    assert_eq!(found["unnamed"], "0x200");
}

#[test]
fn what_is_not_known_is_named() {
    for (args, wrong) in [
        (&["+hpx"][..], "NTHEAP_GFLAGS does not know +hpx; valid: "),
        (&["+hpa:sideways"], "does not know +hpa:sideways"),
        (
            &["NTHEAP_PAGEHEAP=size=9-1"],
            "NTHEAP_PAGEHEAP does not know size=9-1; valid: full, light, ",
        ),
        (&["NTHEAP_RETAIN=1"], "NTHEAP_RETAIN is not read here"),
    ] {
        let out = gflags(args);
        assert_eq!(out.status.code(), Some(2), "{args:?}");
        assert_eq!(stdout(&out), "");
        assert!(stderr(&out).contains(wrong), "{}", stderr(&out));
    }
}

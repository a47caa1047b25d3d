//! What one run of one load measured.

use super::child::Failure;
use serde::{Deserialize, Serialize};

/// One run. Times are of the timed part where the program tells it, and of the
/// whole process where it was measured from outside; memory is the process'.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct Figures {
    /// Wall time, in seconds.
    pub(crate) seconds: f64,
    /// User and system time, in seconds.
    pub(crate) cpu_seconds: f64,
    /// The most memory resident at once, in bytes.
    pub(crate) peak_rss: u64,
    /// Resident when everything was dropped, in bytes.
    pub(crate) rss_after_drop: Option<u64>,
    /// Page faults that needed no reading.
    pub(crate) minor_faults: u64,
    /// Page faults that did.
    pub(crate) major_faults: u64,
    /// Operations in the timed part.
    pub(crate) operations: Option<u64>,
    /// Threads of the load.
    pub(crate) threads: Option<u64>,
    /// The most bytes asked for and held at once, 0 if the load does not know.
    pub(crate) requested_peak: Option<u64>,
}

/// The line a load prints.
#[derive(Deserialize)]
struct Line {
    load: String,
    #[serde(flatten)]
    figures: Figures,
}

/// Reads what `load` printed: one line of JSON and nothing else.
pub(crate) fn parse(output: &[u8], load: &str) -> Result<Figures, Failure> {
    let bad = |why: String| Failure::new("bad output", why);
    let text = std::str::from_utf8(output).map_err(|_| bad("not UTF-8".to_owned()))?;
    let mut lines = text.lines();
    let (Some(line), None) = (lines.next(), lines.next()) else {
        return Err(bad(format!(
            "{} lines on standard output instead of one",
            text.lines().count()
        )));
    };
    let Line { load: of, figures } =
        serde_json::from_str(line).map_err(|e| bad(format!("{e} in {line:?}")))?;
    if of != load {
        return Err(bad(format!("figures of {of} instead of {load}")));
    }
    let told = figures.rss_after_drop.is_some()
        && figures.operations.is_some()
        && figures.threads.is_some()
        && figures.requested_peak.is_some();
    if !told {
        return Err(bad(format!("a field is missing in {line:?}")));
    }
    sound(figures)
}

/// Reads what the measuring program wrote about another.
pub(crate) fn parse_outside(text: &str) -> Result<Figures, Failure> {
    let figures = serde_json::from_str(text)
        .map_err(|e| Failure::new("not measured", format!("{e} in {text:?}")))?;
    sound(figures)
}

/// A time that is no time would spoil every mean.
fn sound(figures: Figures) -> Result<Figures, Failure> {
    let time = |s: f64| s.is_finite() && s >= 0.0;
    if time(figures.seconds) && time(figures.cpu_seconds) {
        Ok(figures)
    } else {
        Err(Failure::new(
            "bad output",
            format!("times {} and {}", figures.seconds, figures.cpu_seconds),
        ))
    }
}

/// The least of each figure over the runs of one allocator on one load. The
/// figures need not be of the same run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Least {
    pub(crate) seconds: f64,
    pub(crate) cpu_seconds: f64,
    pub(crate) peak_rss: u64,
    pub(crate) rss_after_drop: Option<u64>,
    /// Of both kinds.
    pub(crate) faults: u64,
}

/// None without runs.
pub(crate) fn least(runs: &[Figures]) -> Option<Least> {
    let time = |of: fn(&Figures) -> f64| runs.iter().map(of).min_by(f64::total_cmp);
    let dropped: Option<Vec<u64>> = runs.iter().map(|r| r.rss_after_drop).collect();
    Some(Least {
        seconds: time(|r| r.seconds)?,
        cpu_seconds: time(|r| r.cpu_seconds)?,
        peak_rss: runs.iter().map(|r| r.peak_rss).min()?,
        rss_after_drop: dropped.and_then(|all| all.into_iter().min()),
        faults: runs.iter().map(|r| r.minor_faults + r.major_faults).min()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"{"load":"pair-16","operations":10,"seconds":0.5,"cpu_seconds":0.25,"peak_rss":4096,"rss_after_drop":2048,"minor_faults":3,"major_faults":1,"threads":1,"requested_peak":16}"#;

    #[test]
    fn a_line_is_read_and_must_be_alone_complete_and_of_the_load() {
        let read = parse(LINE.as_bytes(), "pair-16").expect("a good line");
        assert_eq!((read.cpu_seconds, read.peak_rss), (0.25, 4096));
        let refused = |text: &str, load: &str, why: &str| {
            let failure = parse(text.as_bytes(), load).expect_err(why);
            assert!(failure.detail.contains(why), "{}", failure.detail);
        };
        refused(LINE, "pair-64", "figures of pair-16");
        refused("", "pair-16", "0 lines");
        refused(&format!("{LINE}\n{LINE}\n"), "pair-16", "2 lines");
        refused(
            &LINE.replace("\"threads\":1,", ""),
            "pair-16",
            "a field is missing",
        );
        refused(&LINE.replace("0.25", "-1"), "pair-16", "times 0.5 and -1");
        refused("{}", "pair-16", "missing field");
    }

    #[test]
    fn the_least_of_each_figure() {
        let one = parse(LINE.as_bytes(), "pair-16").expect("a good line");
        let other = Figures {
            cpu_seconds: 0.125,
            seconds: 0.75,
            peak_rss: 8192,
            rss_after_drop: Some(1024),
            minor_faults: 0,
            ..one.clone()
        };
        let least = least(&[one, other]).expect("two runs");
        assert_eq!(
            least,
            Least {
                seconds: 0.5,
                cpu_seconds: 0.125,
                peak_rss: 4096,
                rss_after_drop: Some(1024),
                faults: 1
            }
        );
        assert_eq!(super::least(&[]), None);
    }

    #[test]
    fn a_figure_from_outside_lacks_what_only_the_program_knows() {
        let text =
            r#"{"seconds":1.5,"cpu_seconds":0.5,"peak_rss":9,"minor_faults":2,"major_faults":0}"#;
        let figures = parse_outside(text).expect("good");
        let least = least(&[figures]).expect("a run");
        assert_eq!((least.cpu_seconds, least.rss_after_drop), (0.5, None));
        assert!(parse_outside("").is_err());
    }
}

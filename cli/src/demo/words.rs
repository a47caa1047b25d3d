//! Splitting text into the terms that are indexed.

/// A longer run of word characters is data, not a word.
const LONGEST: usize = 64;

/// The terms of a line: each word in lower case and, of a name such as
/// `read_to_string`, its parts as well.
pub(crate) fn terms(line: &str) -> impl Iterator<Item = String> {
    line.split(|c: char| !(c.is_alphanumeric() || c == '_'))
        .map(|word| word.trim_matches('_'))
        .filter(|word| !word.is_empty() && word.len() <= LONGEST)
        .flat_map(|word| {
            let parts = word
                .contains('_')
                .then(|| word.split('_').filter(|part| !part.is_empty()))
                .into_iter()
                .flatten();
            std::iter::once(word).chain(parts).map(str::to_lowercase)
        })
}

#[cfg(test)]
mod tests {
    use super::terms;

    #[test]
    fn words_and_parts_of_names() {
        let found: Vec<String> = terms("let s = fs::read_to_String(Überall)?; // __x__").collect();
        assert_eq!(
            found,
            [
                "let",
                "s",
                "fs",
                "read_to_string",
                "read",
                "to",
                "string",
                "überall",
                "x"
            ]
        );
    }

    #[test]
    fn long_runs_are_left_out() {
        assert_eq!(terms(&"a".repeat(65)).count(), 0);
        assert_eq!(terms(&"a".repeat(64)).count(), 1);
    }
}

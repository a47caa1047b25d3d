//! Inputs for the programs, made up by counting; the same every time.

use std::fmt::Write;

/// C functions of loops, branches and tables.
pub(crate) fn c_functions(n: u64) -> String {
    let mut out = String::from("#include <stddef.h>\n#include <string.h>\n");
    for i in 0..n {
        let (a, b, c) = (i % 7 + 2, i % 11 + 3, i % 13 + 1);
        // Writing into a String cannot fail.
        let _ = write!(
            out,
            "
struct record_{i} {{ struct record_{i} *next; int key; double weight[{a}]; char name[{b}]; }};
static int table_{i}[{b}] = {{ {c}, {a}, {b} }};
int find_{i}(const struct record_{i} *r, int key)
{{
    int steps = 0;
    for (; r; r = r->next, steps++) {{
        if (r->key == key && memchr(r->name, 'a' + {c}, sizeof r->name))
            return steps;
        switch ((r->key ^ key) % {b}) {{
        case 0: steps += table_{i}[key % {b}]; break;
        case 1: steps -= {a}; break;
        case 2: if (r->weight[{a} - 1] > r->weight[0]) steps *= 2; break;
        default: steps ^= key >> {c};
        }}
    }}
    return -steps;
}}
double sum_{i}(const struct record_{i} *r, size_t n)
{{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < {a}; j++)
            sum += r[i].weight[j] * (double)table_{i}[(i + j) % {b}] + {c};
    return sum;
}}
"
        );
    }
    out
}

/// C++ that makes the compiler build many types and functions from templates.
pub(crate) fn cpp_templates(n: u64) -> String {
    let mut out = String::from(
        "#include <algorithm>\n#include <functional>\n#include <map>\n#include <memory>\n\
         #include <string>\n#include <unordered_map>\n#include <vector>\n",
    );
    for i in 0..n {
        let _ = write!(
            out,
            "
struct key_{i} {{ int a; std::string b; bool operator<(const key_{i} &o) const
    {{ return a < o.a || (a == o.a && b < o.b); }} }};
using map_{i} = std::map<key_{i}, std::vector<std::shared_ptr<key_{i}>>>;
int work_{i}(const map_{i} &m, std::unordered_map<std::string, map_{i}> &u)
{{
    int n = {i};
    for (auto &e : m) {{
        auto v = e.second;
        std::sort(v.begin(), v.end(), [](auto &x, auto &y) {{ return *x < *y; }});
        v.erase(std::remove_if(v.begin(), v.end(), [&](auto &x) {{ return x->a > n; }}), v.end());
        u[e.first.b][e.first] = v;
        std::function<int(int)> f = [n, &v](int x) {{ return x + n + (int)v.size(); }};
        n = f(n);
    }}
    return n;
}}
"
        );
    }
    out
}

/// A table filled, indexed, asked, changed and emptied.
pub(crate) fn sql_tables(rows: u64) -> String {
    format!(
        "CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT, n INTEGER, body TEXT);
WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < {rows})
INSERT INTO t SELECT i, 'name ' || (i * 7919 % 10007), i * 31 % 1009,
    substr('the quick brown fox jumps over the lazy dog', i % 20 + 1, i % 23) FROM c;
CREATE INDEX by_name ON t(name);
CREATE INDEX by_n ON t(n, body);
SELECT count(*), sum(n), sum(length(body)) FROM t;
SELECT name, count(*), group_concat(n) FROM t GROUP BY name ORDER BY 2 DESC, 1 LIMIT 20;
SELECT sum(a.n * b.n) FROM t a JOIN t b ON a.name = b.name AND a.id < b.id WHERE a.n < 300;
UPDATE t SET body = body || ' ' || name WHERE n % 3 = 0;
SELECT length(json_group_array(json_object('id', id, 'name', name, 'body', body))) FROM t;
DELETE FROM t WHERE n % 2 = 0;
SELECT count(*), sum(length(body)) FROM t;
"
    )
}

/// Commits for `git fast-import`: each writes one of thirty files anew, with
/// some lines changed.
pub(crate) fn git_commits(n: u64) -> String {
    let mut out = String::new();
    for i in 1..=n {
        let which = i * 7 % 30;
        let mut file = String::new();
        for line in 0..200u64 {
            // A line's text depends on how often it was changed before.
            let version = if line % 17 == i % 17 { i } else { i / 60 };
            let _ = writeln!(
                file,
                "line {line} of file {which}: {} {}",
                version * 7919 % 10007,
                line * version % 97
            );
        }
        let message = format!("Change {i}\n\nLines of file {which}.\n");
        let _ = write!(
            out,
            "commit refs/heads/main\nmark :{i}\ncommitter A Committer <a@example.org> {} +0000\n\
             data {}\n{message}\nM 100644 inline file{which}.txt\ndata {}\n{file}\n",
            1_700_000_000 + i * 60,
            message.len(),
            file.len()
        );
    }
    out
}

/// Text that packs to about a third.
pub(crate) fn text(bytes: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes + 32);
    let mut seed = 1u64;
    while out.len() < bytes {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let word = (seed >> 33) % 4000;
        // A Vec takes all that is written.
        let _ = std::io::Write::write_fmt(&mut out, format_args!("word{} ", word * word % 9973));
    }
    out.truncate(bytes);
    out
}

//! Interpreters, git, sqlite and tar at work.

use crate::common::text;
use crate::{Trial, installed};
use std::fmt::Write;

#[test]
fn bash_script() {
    let Some(program) = installed("bash") else {
        return;
    };
    let script = r#"
        set -eu
        declare -A count
        words=()
        for ((i = 0; i < 5000; i++)); do
            word="w$((i * 7919 % 613))"
            words+=("$word")
            count[$word]=$((${count[$word]:-0} + 1))
        done
        echo "${#words[@]} ${#count[@]} ${words[4711]}"
        (
            words=("${words[@]:0:10}")
            echo "${words[*]}"
            ( echo "inner ${#count[@]}" )
        )
        sum=0
        for word in "${!count[@]}"; do
            sum=$((sum + ${count[$word]}))
        done
        echo "$sum"
        text=
        for i in {1..2000}; do
            text+="line $i of text "
        done
        echo "${#text} ${text//line/LINE}" | cksum
        parts=$(for i in {1..50}; do echo "part $i"; done)
        while read -r word number; do
            echo "$number $word"
        done <<<"$parts" | sort -rn | head -3
        exit 0
    "#;
    Trial {
        name: "bash",
        program,
        arguments: &["script"],
        environment: &[],
        input: &[("script", script)],
        output: &[],
        processes: 6,
    }
    .check();
}

#[test]
fn perl_script() {
    let Some(program) = installed("perl") else {
        return;
    };
    let script = r#"
        use strict;
        use warnings;
        my (%seen, @lines);
        for my $i (1 .. 60000) {
            my $key = "key " . ($i * 7919 % 10007);
            $seen{$key} .= "$i,";
            push @lines, join("-", reverse split //, $key) if $i % 7 == 0;
        }
        my @sorted = sort { $seen{$a} cmp $seen{$b} || $a cmp $b } keys %seen;
        print scalar(@sorted), " $sorted[0] $sorted[-1]\n";
        my $text = join("\n", @lines);
        my $changed = ($text =~ s/(\d)-(\d)/$2+$1/g);
        print "$changed ", length($text), " ", unpack("%32C*", $text), "\n";
        my @tree = map { { id => $_, children => [ map { { id => $_ } } 1 .. 5 ] } } 1 .. 5000;
        my $sum = 0;
        $sum += scalar @{ $_->{children} } * $_->{id} for @tree;
        print "$sum\n";
        my $pid = fork();
        if (!$pid) { print "child ", length(join "", keys %seen), "\n"; exit 0; }
        waitpid($pid, 0);
        print "status $?\n";
    "#;
    Trial {
        name: "perl",
        program,
        arguments: &["script"],
        environment: &[],
        input: &[("script", script)],
        output: &[],
        processes: 2,
    }
    .check();
}

#[test]
fn python_script() {
    let Some(program) = installed("python3") else {
        return;
    };
    let script = r#"
import hashlib, json, multiprocessing, threading

def records(n):
    return [{"id": i, "name": "name %d" % i, "tags": ["t%d" % (i % k) for k in range(1, 9)],
             "nested": {"a": [i] * (i % 20), "b": None, "c": i / 7}} for i in range(n)]

def digest(value):
    text = json.dumps(value, sort_keys=True)
    assert json.loads(text) == value
    return hashlib.sha256(text.encode()).hexdigest()

def work(n):
    return digest(records(n))

if __name__ == "__main__":
    print(digest(records(8000)))
    results = [None] * 8
    def in_thread(i):
        results[i] = work(500 + i)
    threads = [threading.Thread(target=in_thread, args=(i,)) for i in range(8)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
    print(results)
    with multiprocessing.get_context("fork").Pool(4) as pool:
        print(pool.map(work, range(300, 340)))
    big = bytearray()
    for i in range(2000):
        big += bytes([i % 251]) * (i * 3)
    print(hashlib.sha256(big).hexdigest())
"#;
    // By default it keeps small objects in arenas of its own.
    for environment in [&[][..], &[("PYTHONMALLOC", "malloc")]] {
        Trial {
            name: "python3",
            program: program.clone(),
            arguments: &["script"],
            environment,
            input: &[("script", script)],
            output: &[],
            processes: 1,
        }
        .check();
    }
}

#[test]
fn git_repository() {
    let (Some(program), Some(_)) = (installed("bash"), installed("git")) else {
        return;
    };
    let script = r#"
        set -eu
        export GIT_CONFIG_NOSYSTEM=1 GIT_PAGER=cat GIT_TERMINAL_PROMPT=0
        export GIT_AUTHOR_NAME=A GIT_AUTHOR_EMAIL=a@example.com
        export GIT_COMMITTER_NAME=C GIT_COMMITTER_EMAIL=c@example.com
        git init -q -b main repository
        cd repository
        for i in {1..12}; do
            export GIT_AUTHOR_DATE="170000000$((i % 10)) +0000" GIT_COMMITTER_DATE="170000010$((i % 10)) +0000"
            mkdir -p "folder$((i % 3))"
            for k in {1..20}; do
                for n in {1..10}; do echo "$i $k line $n $((i * k * n))"; done >"folder$((i % 3))/file$k"
            done
            git add -A
            git commit -q -m "commit number $i"
        done
        git branch side HEAD~4
        git checkout -q side
        echo side >side
        git add side
        git commit -q -m side
        git checkout -q main
        git merge -q -m merge side
        git gc -q --no-quiet 2>/dev/null
        cd ..
        git clone -q --no-local repository copy
        cd copy
        git log --stat --graph --format='%H %an %s'
        git diff HEAD~5 HEAD | cksum
        git blame folder1/file7
        git grep -c 'line 7' | head -5
        git fsck --full 2>/dev/null
        git rev-parse HEAD
    "#;
    Trial {
        name: "git",
        program,
        arguments: &["script"],
        environment: &[],
        input: &[("script", script)],
        output: &[],
        processes: 60,
    }
    .check();
}

#[test]
fn sqlite_of_100000_rows() {
    let Some(program) = installed("sqlite3") else {
        return;
    };
    let mut script = String::from(
        "PRAGMA journal_mode=WAL;\nPRAGMA synchronous=OFF;\n\
         CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT, part INTEGER, value REAL);\nBEGIN;\n",
    );
    for i in 0..100_000_u64 {
        let _ = writeln!(
            script,
            "INSERT INTO t VALUES({i}, 'name {}', {}, {}.5);",
            i * 7919 % 100_003,
            i % 97,
            i * 31 % 1009
        );
    }
    script.push_str(
        "COMMIT;\nCREATE INDEX by_name ON t(name);\nCREATE INDEX by_part ON t(part, value);\n\
         SELECT count(*), sum(value), min(name), max(name) FROM t;\n\
         SELECT part, count(*), avg(value) FROM t GROUP BY part ORDER BY part LIMIT 20;\n\
         SELECT a.name, b.name FROM t a JOIN t b ON a.part = b.part AND a.id + 97 = b.id \
         ORDER BY a.name LIMIT 10;\n\
         UPDATE t SET name = name || ' changed' WHERE part < 20;\n\
         DELETE FROM t WHERE part % 5 = 0;\n\
         WITH RECURSIVE r(n, s) AS (SELECT 1, 'x' UNION ALL SELECT n + 1, s || n FROM r WHERE n < 500) \
         SELECT max(length(s)) FROM r;\n\
         SELECT count(*), sum(length(name)) FROM t;\nPRAGMA integrity_check;\n",
    );
    let run = Trial {
        name: "sqlite3",
        program,
        arguments: &["-batch", "database", ".read script"],
        environment: &[],
        input: &[("script", &script)],
        output: &[],
        processes: 1,
    }
    .check();
    assert!(text(&run.ended.stdout).ends_with("\nok\n"));
}

#[test]
fn tar_and_xz() {
    let (Some(program), Some(_), Some(_)) = (installed("bash"), installed("tar"), installed("xz"))
    else {
        return;
    };
    let script = r#"
        set -eu
        mkdir tree
        for i in {1..60}; do
            mkdir -p "tree/folder$((i % 7))"
            for k in {1..400}; do echo "file $i line $k $((i * k * 7919 % 10007))"; done >"tree/folder$((i % 7))/file$i"
        done
        XZ_OPT='-6 -T2 --block-size=262144' tar --sort=name --mtime=@1700000000 --owner=0 --group=0 \
            --numeric-owner -cJf archive.tar.xz tree
        xz -t archive.tar.xz
        mkdir copy
        tar -xJf archive.tar.xz -C copy
        diff -r tree copy/tree
        tar -tJf archive.tar.xz | cksum
    "#;
    Trial {
        name: "tar",
        program,
        arguments: &["script"],
        environment: &[],
        input: &[("script", script)],
        output: &["archive.tar.xz"],
        processes: 8,
    }
    .check();
}

#[test]
fn node_with_worker_threads() {
    let Some(program) = installed("node") else {
        return;
    };
    let script = r#"
        const { Worker, isMainThread, parentPort, workerData } = require('worker_threads');
        const crypto = require('crypto');
        const zlib = require('zlib');
        function work(n) {
            const map = new Map();
            for (let i = 0; i < n; i++) map.set('key ' + (i * 7919 % 10007), { i, list: [i, i + 1], text: 'x'.repeat(i % 50) });
            const text = JSON.stringify([...map]);
            const packed = zlib.gzipSync(Buffer.from(text), { level: 6 });
            if (zlib.gunzipSync(packed).toString() !== text) throw new Error('differs');
            return crypto.createHash('sha256').update(text).digest('hex');
        }
        if (isMainThread) {
            const sizes = [5000, 7000, 9000, 11000];
            Promise.all(sizes.map(n => new Promise((done, failed) => {
                const worker = new Worker(__filename, { workerData: n });
                worker.on('message', done);
                worker.on('error', failed);
            }))).then(results => {
                console.log(work(3000));
                for (const result of results) console.log(result);
                const buffers = [];
                for (let i = 0; i < 300; i++) buffers.push(Buffer.alloc(i * 1000, i));
                console.log(crypto.createHash('sha256').update(Buffer.concat(buffers)).digest('hex'));
            });
        } else {
            parentPort.postMessage(work(workerData));
        }
    "#;
    Trial {
        name: "node",
        program,
        arguments: &["script.js"],
        environment: &[],
        input: &[("script.js", script)],
        output: &[],
        processes: 1,
    }
    .check();
}

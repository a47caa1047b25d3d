"""Records to JSON and back, words counted and sorted, objects with attributes."""
import json
import sys

turns = int(sys.argv[1])


class Entry:
    def __init__(self, name, links):
        self.name = name
        self.links = links
        self.weight = float(len(links))


records = [
    {
        "id": i,
        "name": "name %d of many" % i,
        "tags": ["tag%d" % (i * j % 97) for j in range(8)],
        "place": {"x": i * 0.5, "y": i * 0.25, "label": "label %d " % i * 6},
    }
    for i in range(3000)
]
total = 0
for turn in range(turns):
    text = json.dumps(records)
    assert json.loads(text) == records
    counts = {}
    for word in text.replace('"', " ").replace(",", " ").split():
        counts[word] = counts.get(word, 0) + 1
    entries = [Entry(word, [word[:2], word[-2:], word * 12]) for word in sorted(counts)]
    rows = ["%s;%d;%s" % (e.name, counts[e.name], "|".join(e.links)) for e in entries]
    total += len("\n".join(rows)) + sum(len(row.encode()) for row in rows)
print(total)

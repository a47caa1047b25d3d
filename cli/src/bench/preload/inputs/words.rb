# A hash of arrays of strings, grown, searched, joined and taken apart again.
turns = ARGV[0].to_i
total = 0
turns.times do |turn|
  lists = Hash.new { |hash, key| hash[key] = [] }
  seed = turn + 1
  30_000.times do |i|
    seed = (seed * 1_103_515_245 + 12_345) & 0x7fffffff
    lists["word#{(seed >> 8) % 5000}"] << "line #{i}: " + "x" * (seed % 60)
  end
  lists.keys.sort.each do |word|
    text = lists[word].join("\n")
    found = text.scan(/line (\d+): (x*)/)
    total += found.size + text.size
    lists.delete(word) if found.size > 6
  end
end
puts total

# A hash of arrays of strings, grown, searched, joined and taken apart again.
use strict;
use warnings;

my $turns = shift;
my $total = 0;
for my $turn (1 .. $turns) {
    my %lists;
    my $seed = $turn;
    for my $i (1 .. 30000) {
        $seed = ($seed * 1103515245 + 12345) & 0x7fffffff;
        my $word = "word" . ($seed >> 8) % 5000;
        push @{ $lists{$word} }, "line $i: " . "x" x ($seed % 60);
    }
    for my $word (sort keys %lists) {
        my $text = join "\n", @{ $lists{$word} };
        my @found = $text =~ /line (\d+): (x*)/g;
        $total += @found + length $text;
        delete $lists{$word} if @found > 12;
    }
}
print "$total\n";

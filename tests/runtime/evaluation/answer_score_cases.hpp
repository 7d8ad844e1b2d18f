// SPDX-License-Identifier: Apache-2.0
// Written by make_answer_score_cases.py from the rules of the official scripts.
#pragma once

#include <string>
#include <vector>

namespace sluice::runtime {

struct AnswerScoreCase {
  const char* task;
  std::vector<std::string> answers;
  const char* said;
  double score;
  double exact_match;
};

inline const std::vector<AnswerScoreCase> kAnswerScoreCases = {
    {"squad", {"France"}, "France", 1.0, 1.0},
    {"squad", {"France"}, " The france. ", 1.0, 1.0},
    {"squad", {"France"}, "Germany", 0.0, 0.0},
    {"squad", {"the 10th and 11th centuries", "10th century"}, "in the 10th century", 0.8, 0.0},
    {"squad",
     {"Denmark, Iceland and Norway"},
     "Norway, Denmark, Iceland and Sweden",
     0.888888888888889,
     0.0},
    {"squad", {"a b b c"}, "b b b", 0.6666666666666666, 0.0},
    {"squad", {"New York"}, "new-york", 0.0, 0.0},
    {"squad", {"U.S."}, "US", 1.0, 1.0},
    {"squad", {"don't"}, "dont", 1.0, 1.0},
    {"squad", {"theatre"}, "the theatre an athlete a", 0.6666666666666666, 0.0},
    {"squad", {"\303\211cole \303\200 Paris"}, "\303\251cole \303\240 paris", 1.0, 1.0},
    {"squad", {"\342\200\234The\342\200\235 end"}, "\342\200\234\342\200\235 end", 0.4, 0.0},
    {"squad", {"\303\240the\303\251"}, "\303\240 \303\251", 0.0, 0.0},
    {"squad", {"a\314\201 x"}, "\314\201 x", 1.0, 1.0},
    {"squad", {"30,000"}, "30000", 1.0, 1.0},
    {"squad", {"one\302\240two\343\200\200three"}, "one two\011three", 1.0, 1.0},
    {"squad", {"\342\202\2545 \342\200\224 six"}, "5 six", 0.4, 0.0},
    {"squad", {"The"}, "", 1.0, 1.0},
    {"squad", {"The", "France"}, "", 0.0, 0.0},
    {"squad", {""}, "", 1.0, 1.0},
    {"squad", {""}, "the", 1.0, 1.0},
    {"squad", {""}, "nothing", 0.0, 0.0},
    {"squad", {"France"}, "", 0.0, 0.0},
    {"squad", {"the_a"}, "thea", 1.0, 1.0},
    {"squad", {"a-b"}, "ab", 1.0, 1.0},
    {"squad",
     {"\316\234\317\214\317\203\317\207\316\261 \320\234\320\276\321\201\320\272\320\262\320\260"},
     "\316\274\317\214\317\203\317\207\316\261 \320\274\320\276\321\201\320\272\320\262\320\260",
     1.0,
     1.0},
    {"squad", {"\346\235\261\344\272\254 a"}, "\346\235\261\344\272\254", 1.0, 1.0},
    {"squad", {"\302\275 the \342\205\244"}, "\302\275 \342\205\264", 1.0, 1.0},
    {"squad", {"x\342\200\213y"}, "x y", 0.0, 0.0},
    {"hotpotqa", {"yes"}, "yes", 1.0, 1.0},
    {"hotpotqa", {"yes"}, "Yes.", 1.0, 1.0},
    {"hotpotqa", {"yes"}, "yes, they were", 0.0, 0.0},
    {"hotpotqa", {"yes"}, "no", 0.0, 0.0},
    {"hotpotqa", {"no"}, "no one", 0.0, 0.0},
    {"hotpotqa", {"no one"}, "no", 0.0, 0.0},
    {"hotpotqa", {"noanswer"}, "noanswer", 1.0, 1.0},
    {"hotpotqa", {"noanswer"}, "noanswer here", 0.0, 0.0},
    {"hotpotqa", {"Chief of Protocol"}, "the chief of protocol", 1.0, 1.0},
    {"hotpotqa", {"Chief of Protocol"}, "no chief of protocol", 0.8571428571428571, 0.0},
    {"hotpotqa", {"3,677 seated"}, "3677", 0.6666666666666666, 0.0},
    {"hotpotqa", {"the"}, "the", 0.0, 1.0},
    {"hotpotqa", {"from 1986 to 2013"}, "1986\342\200\2232013", 0.0, 0.0},
    {"hotpotqa", {"from 1986 to 2013"}, "1986 to 2013, he managed", 0.6666666666666665, 0.0},
    {"triviaqa", {"Cotswold Hills", "Cotswolds", "The Cotswolds"}, "the cotswolds", 1.0, 1.0},
    {"triviaqa",
     {"Cotswold Hills", "Cotswolds"},
     "The hills are the Cotswold Hills",
     0.6666666666666666,
     0.0},
    {"triviaqa", {"Rock'n'roll"}, "rock n roll", 1.0, 1.0},
    {"triviaqa", {"Rock\342\200\231n\342\200\230roll"}, "rock n roll", 1.0, 1.0},
    {"triviaqa", {"Rock\302\264n`roll"}, "rock n roll", 1.0, 1.0},
    {"triviaqa", {"U.S."}, "US", 0.0, 0.0},
    {"triviaqa", {"U.S."}, "u s", 1.0, 1.0},
    {"triviaqa", {"New_York"}, "new york", 1.0, 1.0},
    {"triviaqa", {"New_York_(the_city)"}, "New York city", 1.0, 1.0},
    {"triviaqa", {"don't"}, "don t", 1.0, 1.0},
    {"triviaqa", {"a"}, "a", 0.0, 1.0},
    {"triviaqa", {"St. Cecilia", "Cecilia"}, "Saint Cecilia!", 0.6666666666666666, 0.0},
    {"triviaqa", {"\342\200\234X\342\200\235"}, "x", 0.0, 0.0},
    {"triviaqa", {"Paul Dukas"}, "Claude Debussy", 0.0, 0.0},
    {"needle", {" 1234567"}, " 1234567.", 1.0, 1.0},
    {"needle", {" 1234567"}, "It is 12345678", 1.0, 1.0},
    {"needle", {" 1234567"}, "1,234,567", 0.0, 0.0},
    {"needle", {" 1234567"}, "", 0.0, 0.0},
    {"needle", {"ABC", "x"}, "abc", 0.5, 0.5},
};

}  // namespace sluice::runtime

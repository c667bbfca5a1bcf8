#include "json/problem.hpp"

#include <gtest/gtest.h>

#include "json/parser.hpp"

namespace pebbles::json {
namespace {

struct ProblemRow {
  std::string text;
  std::string what;  ///< empty: there is no problem
  std::size_t offset = 0;
  Problem::Kind kind = Problem::Kind::syntax;
};

TEST(JsonProblem, SaysWhatIsWrongAndWhere) {
  constexpr auto value = Problem::Kind::value;
  for (const auto& [text, what, offset, kind] : {
           ProblemRow{"{}", ""},
           ProblemRow{R"( {"a":[1,-0.5e+3,true,false,null,"\u00e9\ud83d\ude00\n"],"":{}} )", ""},
           ProblemRow{"", "it is empty"},
           ProblemRow{" \n", "it is empty"},
           ProblemRow{"{", "expected a name in double quotes or '}', found the end of the text", 1},
           ProblemRow{"{'a':1}", "expected a name in double quotes or '}', found an apostrophe", 1},
           ProblemRow{R"({"a":1,})", "expected a name in double quotes, found '}'", 7},
           ProblemRow{R"({"a" 1})", "expected ':' behind a name, found '1'", 5},
           ProblemRow{R"({"a":})", "expected a value, found '}'", 5},
           ProblemRow{"[1 2]", "expected ',' or ']', found '2'", 3},
           ProblemRow{"[1}", "expected ',' or ']', found '}'", 2},
           ProblemRow{"[,1]", "expected a value or ']', found ','", 1},
           ProblemRow{"{} x", "expected the end of the text, found 'x'", 3},
           ProblemRow{"nul", "expected null, found the end of the text", 3},
           ProblemRow{"NaN", "expected a value, found 'N'"},
           ProblemRow{"[01]", "expected no digit behind a leading zero, found '1'", 2},
           ProblemRow{"[1.]", "expected a digit behind the decimal point, found ']'", 3},
           ProblemRow{"[1e]", "expected a digit in the exponent, found ']'", 3},
           ProblemRow{"-", "expected a digit, found the end of the text", 1},
           ProblemRow{"\"a", "expected the '\"' that ends a string, found the end of the text", 2},
           ProblemRow{"\xEF\xBB\xBF{}", "it begins with a byte order mark (U+FEFF), which JSON must not have"},
           ProblemRow{std::string{"\xFF\xFE{\0}\0", 6},
                      "it begins with a byte order mark of UTF-16: it must be in UTF-8, without a mark"},
           ProblemRow{std::string{"{\0}\0", 4}, "it is in UTF-16 or UTF-32: it must be in UTF-8"},
           ProblemRow{"\xff", "expected a value, found a character that is not ASCII"},
           ProblemRow{R"(["\ud800"])", R"(a string has half of a surrogate pair: \ud800)", 2, value},
           ProblemRow{R"(["\udc00"])", R"(a string has half of a surrogate pair: \udc00)", 2, value},
           ProblemRow{R"(["\ud800\u0041"])", R"(a string has half of a surrogate pair: \ud800)", 2, value},
           ProblemRow{R"(["a\x"])", "a string has an unknown escape: a backslash and 'x'", 3, value},
           ProblemRow{R"(["\u12"])", R"(a string has an escape \u without four hexadecimal digits)", 2, value},
           ProblemRow{"[\"a\tb\"]", "a string has the character U+0009 in it, which must be escaped", 3, value},
           ProblemRow{"[\"a\xff\"]", "it is not UTF-8: found a byte that begins no character", 3, value},
           ProblemRow{"[1,1e999]", "a number is out of range: it must fit into 64 bits", 3, value},
           ProblemRow{"18446744073709551616", "a number is out of range: it must fit into 64 bits", 0, value},
           ProblemRow{"18446744073709551615", ""},
           ProblemRow{R"(["\ud800",)", "expected a value, found the end of the text", 10},  // syntax before any value
       }) {
    const auto problem = find_problem(text);
    EXPECT_EQ(problem ? problem->what : "", what) << text;
    EXPECT_EQ(parse(text).error() == simdjson::SUCCESS, !problem) << text;
    if (!problem || what.empty()) continue;
    EXPECT_EQ(problem->offset, offset) << text;
    EXPECT_EQ(problem->kind, kind) << text;
  }
}

TEST(JsonProblem, NestingIsBoundedAsByTheParser) {
  for (std::size_t depth = depth_max - 3; depth < depth_max + 3; ++depth) {
    for (const auto* inside : {"", "1"}) {
      const auto text = std::string(depth, '[') + inside + std::string(depth, ']');
      const auto problem = find_problem(text);
      EXPECT_EQ(parse(text).error() == simdjson::SUCCESS, !problem) << depth << inside;
      if (problem) {
        EXPECT_EQ(problem->kind, Problem::Kind::value);
      }
    }
  }
  EXPECT_TRUE(find_problem(std::string(1'000'000, '[')));
}

TEST(JsonProblem, PlacesCountCharacters) {
  EXPECT_EQ(place_of("abc", 0), "line 1, column 1");
  EXPECT_EQ(place_of("a\nb\xC3\xA9"
                     "c",
                     5),
            "line 2, column 3");
  EXPECT_EQ(place_of("a\n", 2), "line 2, column 1");
}

TEST(JsonParser, ReadsAgainAfterALargeText) {
  const auto large = "[\"" + std::string(2 * kept_text_bytes_max, 'x') + "\"]";
  for (const auto& text : {large, std::string{"[1]"}, large}) EXPECT_EQ(parse(text).error(), simdjson::SUCCESS);
  release_memory();
  EXPECT_EQ(parse("[1]").error(), simdjson::SUCCESS);
}

}  // namespace
}  // namespace pebbles::json

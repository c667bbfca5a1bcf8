#include "json/writer.hpp"

#include <gtest/gtest.h>

#include <limits>

#include "json/parser.hpp"

namespace pebbles::json {
namespace {

std::string written(std::string_view text) {
  std::string out;
  append_string(out, text);
  return out;
}

struct Row {
  std::string text, json;
};

class JsonString : public testing::TestWithParam<Row> {};

TEST_P(JsonString, IsWrittenCanonicallyAndReadBack) {
  EXPECT_EQ(written(GetParam().text), GetParam().json);
  std::string_view back;
  ASSERT_FALSE(parse(written(GetParam().text)).get(back));
  EXPECT_EQ(back, GetParam().text);
}

INSTANTIATE_TEST_SUITE_P(Rows, JsonString,
                         testing::Values(Row{"", R"("")"}, Row{"plain", R"("plain")"},
                                         Row{"say \"hi\" \\ /", R"("say \"hi\" \\ /")"},
                                         Row{"\b\f\n\r\t", R"("\b\f\n\r\t")"},
                                         Row{std::string("\0\x01\x1f", 3), R"("\u0000\u0001\u001f")"},
                                         Row{"\x7f", "\"\x7f\""}, Row{"é €😀\u2028", "\"é €😀\u2028\""},
                                         Row{"</script>", R"("</script>")"}, Row{"\"", R"("\"")"}));

TEST(JsonString, WhatIsEscapedIsFoundAtEveryPlace) {
  for (std::size_t size = 1; size <= 25; ++size) {
    for (std::size_t at = 0; at < size; ++at) {
      std::string text(size, 'x');
      for (char c = 0; c >= 0 && c < 0x7f; ++c) {
        text[at] = c;
        const bool is_escaped = c < 0x20 || c == '"' || c == '\\';
        ASSERT_EQ(written(text) != '"' + text + '"', is_escaped) << size << ' ' << at << ' ' << int{c};
        std::string_view back;
        ASSERT_FALSE(parse(written(text)).get(back));
        ASSERT_EQ(back, text);
      }
    }
  }
}

TEST(JsonString, EveryControlCharacterIsEscaped) {
  for (char c = 0; c < 0x20; ++c) {
    std::string_view back;
    const auto text = written(std::string(1, c));
    ASSERT_FALSE(parse(text).get(back)) << text;
    EXPECT_EQ(back, std::string_view(&c, 1));
  }
}

TEST(JsonInteger, GoesToTheLimits) {
  std::string out = "x";
  append_integer(out, 0);
  append_integer(out, std::numeric_limits<std::int64_t>::max());
  append_integer(out, std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(out, "x09223372036854775807-9223372036854775808");
}

TEST(JsonParser, DepthIsLimited) {
  EXPECT_FALSE(parse(std::string(60, '[') + std::string(60, ']')).error());
  EXPECT_EQ(parse(std::string(100, '[') + std::string(100, ']')).error(), simdjson::DEPTH_ERROR);
  EXPECT_TRUE(parse(std::string(100'000, '[')).error());
}

TEST(JsonParser, HugeDocumentsDoNotSpoilTheNextOnes) {
  EXPECT_FALSE(parse('"' + std::string(6UL << 20U, 'x') + '"').error());
  std::int64_t number = 0;
  ASSERT_FALSE(parse("17").get(number));
  EXPECT_EQ(number, 17);
}

}  // namespace
}  // namespace pebbles::json

#include "store/list_query.hpp"

#include <gtest/gtest.h>

namespace pebbles::store {
namespace {

TEST(PrefixEnd, IsTheFirstTextBehindAllThatBeginSo) {
  const auto end = [](std::string_view prefix) { return prefix_end(prefix).value_or("none"); };
  EXPECT_EQ(end("a"), "b");
  EXPECT_EQ(end("az"), "a{");
  EXPECT_EQ(end("\x7f"), "\xc2\x80");                  // one byte to two
  EXPECT_EQ(end("\xdf\xbf"), "\xe0\xa0\x80");          // two to three
  EXPECT_EQ(end("\xed\x9f\xbf"), "\xee\x80\x80");      // over the surrogates
  EXPECT_EQ(end("\xef\xbf\xbf"), "\xf0\x90\x80\x80");  // three to four
  EXPECT_EQ(end("\xc3\xa4"), "\xc3\xa5");
  EXPECT_EQ(end("a\xf4\x8f\xbf\xbf"), "b");  // there is none behind the last code point
  EXPECT_EQ(end("\xf4\x8f\xbf\xbf"), "none");
  EXPECT_EQ(end(""), "none");
}

}  // namespace
}  // namespace pebbles::store

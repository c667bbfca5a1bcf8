#include "crypto/base64url.hpp"

#include <gtest/gtest.h>

namespace pebbles::crypto {
namespace {

struct Row {
  std::string bytes, text;
};

class Base64url : public testing::TestWithParam<Row> {};

TEST_P(Base64url, GoesThereAndBack) {
  EXPECT_EQ(to_base64url(GetParam().bytes), GetParam().text);
  EXPECT_EQ(from_base64url(GetParam().text), GetParam().bytes);
  EXPECT_TRUE(is_base64url(GetParam().text));
}

// RFC 4648 section 10 without the padding; the last rows use both letters in which the alphabets differ.
INSTANTIATE_TEST_SUITE_P(Rows, Base64url,
                         testing::Values(Row{"", ""}, Row{"f", "Zg"}, Row{"fo", "Zm8"}, Row{"foo", "Zm9v"},
                                         Row{"foob", "Zm9vYg"}, Row{"fooba", "Zm9vYmE"}, Row{"foobar", "Zm9vYmFy"},
                                         Row{std::string(3, '\0'), "AAAA"}, Row{"\xfb\xef\xbe", "----"},
                                         Row{"\xff\xff\xff", "____"}, Row{"\x14\xfb\x9c\x03\xd9\x7e", "FPucA9l-"}));

class NotBase64url : public testing::TestWithParam<std::string> {};

TEST_P(NotBase64url, IsRefused) {
  EXPECT_FALSE(from_base64url(GetParam()));
  EXPECT_FALSE(is_base64url(GetParam()));
}

INSTANTIATE_TEST_SUITE_P(Rows, NotBase64url,
                         testing::Values("Z", "Zm9vY", "Zg==", "Zg=", "Zm8=", "Zm9v=", "Zh", "Zv", "Zm9", "Zm+v",
                                         "Zm/v", "Zm9v ", " Zm9v", "Zm\n9", "Zm9v\n", "Zm.9", "Zm9\xc3",
                                         std::string("Zm9\0", 4)));

// RFC 4648 section 10.
TEST(Base64, TakesTheOneCanonicalSpelling) {
  for (const auto& [bytes, text] :
       {std::pair{"", ""}, std::pair{"f", "Zg=="}, std::pair{"fo", "Zm8="}, std::pair{"foo", "Zm9v"},
        std::pair{"foobar", "Zm9vYmFy"}, std::pair{"\xfb\xef\xbe", "++++"}, std::pair{"\xff\xff\xff", "////"}})
    EXPECT_EQ(from_base64(text), bytes) << text;
  for (const auto* bad : {"Zg", "Zg=", "Zh==", "Zm9=", "Z===", "====", "Zm9v====", "=Zm9", "Zm-_", "Zm9v\n", "Zm9 "})
    EXPECT_FALSE(from_base64(bad)) << bad;
}

TEST(Base64url, EveryPairOfBytesHasOneSpelling) {
  constexpr std::string_view letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  int accepted = 0;
  for (const char last : letters) {
    const std::string text = std::string("AB") + last;
    if (const auto bytes = from_base64url(text)) {
      ++accepted;
      EXPECT_EQ(to_base64url(*bytes), text);
    }
  }
  EXPECT_EQ(accepted, 16);
}

}  // namespace
}  // namespace pebbles::crypto

#include "domain/text.hpp"

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <string>

namespace pebbles::domain {
namespace {

TEST(ControlCharacter, C0DeleteAndC1AreFound) {
  for (int c = 0; c < 0x20; ++c) EXPECT_TRUE(has_control_character(std::string("a") + static_cast<char>(c) + "b")) << c;
  EXPECT_TRUE(has_control_character("\x7f"));
  for (int c = 0x80; c < 0xa0; ++c) EXPECT_TRUE(has_control_character(std::string("\xc2") + static_cast<char>(c))) << c;
}

TEST(ControlCharacter, TheirNeighboursAreNot) {
  for (const auto* text : {"", " ", "~", "\u00a0", "\u00c0", "é", "\u0442", "😀", "\u200f", "\u2028"})
    EXPECT_FALSE(has_control_character(text)) << text;
  // The continuation bytes 80 to 9F behind any other first byte belong to ordinary letters.
  EXPECT_FALSE(has_control_character("\u00c2\u00df\u0100\u4e00"));
}

std::string address(int local_bytes, int host_bytes) {
  return fmt::format("{:a>{}}@{:b>{}}.com", "", local_bytes, "", host_bytes - 4);
}

class Address : public testing::TestWithParam<std::string> {};
TEST_P(Address, IsValid) { EXPECT_TRUE(is_valid_email(GetParam())); }
INSTANTIATE_TEST_SUITE_P(Rows, Address,
                         testing::Values("a@b.c", "ann@example.com", "a.b+c@d.e.f", "ä@ö.de", "o'hara@x.org",
                                         address(64, 255)));

class NoAddress : public testing::TestWithParam<std::string> {};
TEST_P(NoAddress, IsRefused) { EXPECT_FALSE(is_valid_email(GetParam())); }
INSTANTIATE_TEST_SUITE_P(Rows, NoAddress,
                         testing::Values("", "a", "@", "a@", "@b.c", "a@b", "a@.", "a@.c", "a@b.", "a@..", "a.b@c",
                                         "a@b@c.d", "a @b.c", "a@b.c ", "a@b.c\n", "a\t@b.c", "a@b.\u0085c",
                                         address(64, 256)));

}  // namespace
}  // namespace pebbles::domain

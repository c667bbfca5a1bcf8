#include "admission/client_krn.hpp"

#include <gtest/gtest.h>

#include "support/text.hpp"

namespace pebbles::admission {
namespace {

using support::repeated;

ClientKrnRule rule(std::string_view pattern = ClientKrnRule::default_pattern) {
  return std::move(ClientKrnRule::compile(pattern)).value();
}

class ClientName : public testing::TestWithParam<std::string> {};
TEST_P(ClientName, IsAccepted) { EXPECT_TRUE(rule().accepts(GetParam())); }
INSTANTIATE_TEST_SUITE_P(Rows, ClientName,
                         testing::Values("krn:acme:client:123", "krn:a", "krn:$", "krn:.", "krn:..",
                                         R"(krn:{"$gt":""})", "krn:é", "krn:\U0001F600", "krn:\u200f", "krn:%2F",
                                         "krn:\\", "krn:\u00ad", "krn:" + std::string(252, 'x'),
                                         "krn:" + repeated("\U0001F600", 252), "krn:krn:"));

class NoClientName : public testing::TestWithParam<std::string> {};
TEST_P(NoClientName, IsRefused) { EXPECT_FALSE(rule().accepts(GetParam())); }
INSTANTIATE_TEST_SUITE_P(Rows, NoClientName,
                         testing::Values("", "krn:", "krn", "acme", "KRN:a", " krn:a", "krn:a ", "krn:a b", "krn:a/b",
                                         "krn:/", "krn:a\n", "krn:a\t", "xkrn:a", std::string("krn:a\0", 6), "krn:\x1f",
                                         "krn:\x7f", "krn:\u0080", "krn:\u0085", "krn:\u009f", "krn:\u00a0",
                                         "krn:\u1680", "krn:\u2003", "krn:\u2028", "krn:\u2029", "krn:\u202f",
                                         "krn:\u205f", "krn:\u3000", "krn:" + std::string(253, 'x'),
                                         "krn:" + repeated("\U0001F600", 253), "krn:" + std::string(10'000, 'x'),
                                         "krn:\xff", "krn:\xc3", "krn:\xc0\xaf", "krn:\xed\xa0\x80",
                                         "krn:\xf4\x90\x80\x80"));

TEST(ClientKrnRule, NamesAreComparedByteByByte) {
  EXPECT_TRUE(rule("krn:a").accepts("krn:a"));
  EXPECT_FALSE(rule("krn:a").accepts("krn:A"));
  EXPECT_FALSE(rule("krn:a").accepts("krn:a."));
}

TEST(ClientKrnRule, ThePatternMatchesTheWholeName) {
  EXPECT_FALSE(rule("a|ab").accepts("abc"));
  EXPECT_TRUE(rule("a|ab").accepts("ab"));
  EXPECT_TRUE(rule("^a$").accepts("a"));
  EXPECT_FALSE(rule("^a$").accepts("a\n"));
}

TEST(ClientKrnRule, NoPatternLetsInWhatIsNotUtf8OrTooLong) {
  EXPECT_FALSE(rule(R"((?s)\C*)").accepts("\xff"));
  EXPECT_FALSE(rule(R"([^/]*)").accepts("\xed\xa0\x80"));
  EXPECT_TRUE(rule(".*").accepts(std::string(client_krn_bytes_max, 'x')));
  EXPECT_FALSE(rule(".*").accepts(std::string(client_krn_bytes_max + 1, 'x')));
  EXPECT_FALSE(rule(".*").accepts(""));
}

TEST(ClientKrnRule, ABadPatternIsAnErrorThatSaysWhy) {
  for (const auto* pattern : {"krn:(", "[", "a{1001}", "(?=x)", "\\", "\xff", "((((.{1000}){100}){100}){100})"}) {
    const auto compiled = ClientKrnRule::compile(pattern);
    ASSERT_FALSE(compiled) << pattern;
    EXPECT_EQ(compiled.error().code, Errc::invalid_argument);
    EXPECT_FALSE(compiled.error().detail.empty());
  }
}

TEST(ClientKrnRule, NamesThatMakePatternsExplodeDoNot) {
  const auto nested = rule("(a*)*(a*)*b");
  for (int i = 0; i < 1'000; ++i) EXPECT_FALSE(nested.accepts(std::string(client_krn_bytes_max, 'a')));
}

TEST(ClientKrnRule, Moves) {
  auto first = rule("a");
  auto second = std::move(first);
  first = rule("b");
  EXPECT_TRUE(second.accepts("a"));
  EXPECT_TRUE(first.accepts("b"));
}

}  // namespace
}  // namespace pebbles::admission

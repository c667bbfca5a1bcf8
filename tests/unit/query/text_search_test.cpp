#include "egress/query/text_search.hpp"

#include <gtest/gtest.h>

#include <random>

#include "base/header_text.hpp"

namespace pebbles::query {
namespace {

TEST(TextSearch, FoldsLettersOfAsciiAlone) {
  struct Case {
    std::string_view wanted, text;
    bool found;
  };
  constexpr Case cases[] = {
      {"date", "Not a DATE", true}, {"DATE", "not a date", true}, {"dates", "date", false},        {"a", "", false},
      {"aab", "aaab", true},        {"abab", "abaabab", true},    {"\xc3\xa4", "\xc3\x84", false}, {"x", "x", true},
  };
  for (const auto& [wanted, text, found] : cases) EXPECT_EQ(TextSearch{wanted}.finds_in(text), found) << wanted;
}

TEST(TextSearch, FindsWhatAPlainSearchFinds) {
  std::mt19937 dice{7};  // NOLINT(cert-msc32-c,cert-msc51-cpp): the same texts each time
  const auto text_of = [&](std::size_t size) {
    std::string out(size, 'a');
    for (auto& c : out) c = "aAb"[dice() % 3];
    return out;
  };
  const auto fold = [](std::string text) {
    for (auto& c : text) c = lower(c);
    return text;
  };
  for (int i = 0; i < 5'000; ++i) {
    const auto wanted = text_of(1 + dice() % 6), text = text_of(dice() % 24);
    EXPECT_EQ(TextSearch{wanted}.finds_in(text), fold(text).find(fold(wanted)) != std::string::npos) << wanted << text;
  }
}

/// Long enough that a search in proportion to both sizes would not end in a test's time.
TEST(TextSearch, TakesTimeInProportionToTheText) {
  const std::string text(64UL << 20U, 'a');
  EXPECT_FALSE(TextSearch{std::string(1'000, 'a') + 'b'}.finds_in(text));
}

}  // namespace
}  // namespace pebbles::query

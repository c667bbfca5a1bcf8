#include "ingress/kafka/dead_letter.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pebbles::kafka {
namespace {

using testing::ElementsAre;

const DeadLetter letter{.reason = "not_the_owner",
                        .detail = "of another",
                        .position = {.log = "cluster-1", .topic = "updates", .partition = 3, .offset = 5'000'000'000},
                        .time = *from_rfc3339("2026-01-02T03:04:05.678Z")};
const Headers originals = {{"traceparent", "00-1"}, {"n", "1"}, {"n", std::string("\0\xff", 2)}};

Headers of(const DeadLetter& one) {
  auto out = originals;
  append_headers(out, one);
  return out;
}

TEST(DeadLetter, SaysWhyWhereAndWhen) {
  EXPECT_EQ(of(letter).size(), originals.size() + 7);
  EXPECT_EQ(of(letter).back(), (Header{"pebbles-dlq-time", "2026-01-02T03:04:05.678Z"}));
  EXPECT_EQ(read_dead_letter(of(letter)), letter);
}

TEST(DeadLetter, TheLastRefusalCounts) {
  auto again = letter;
  again.reason = "invalid";
  again.position.offset = 6;
  auto headers = of(letter);
  append_headers(headers, again);
  EXPECT_EQ(read_dead_letter(headers), again);
}

TEST(DeadLetter, OthersAreNone) {
  EXPECT_EQ(read_dead_letter(originals), std::nullopt);
  for (const auto name : {header::reason, header::topic, header::partition, header::offset, header::time}) {
    auto headers = of(letter);
    std::erase_if(headers, [&](const Header& one) { return one.name == name; });
    EXPECT_EQ(read_dead_letter(headers), std::nullopt) << name;
  }
  for (const auto& [name, value] :
       {std::pair{header::topic, ""}, std::pair{header::partition, "-1"}, std::pair{header::partition, "4294967296"},
        std::pair{header::offset, "7x"}, std::pair{header::offset, ""}, std::pair{header::time, "yesterday"}}) {
    auto headers = of(letter);
    headers.push_back({.name = std::string{name}, .value = value});
    EXPECT_EQ(read_dead_letter(headers), std::nullopt) << name << ": " << value;
  }
}

TEST(DeadLetter, AReplayHasTheOriginalsHeaders) {
  auto expected = originals;
  expected.push_back({"pebbles-replay-of", "cluster-1/updates/3/5000000000"});
  EXPECT_EQ(headers_of_replay(of(letter), letter), expected);
}

TEST(DeadLetter, AReplayThatWasRefusedAgainNamesItsFirstOriginal) {
  auto headers = headers_of_replay(of(letter), letter);
  auto again = letter;
  again.position.offset = 6'000'000'000;
  append_headers(headers, again);
  EXPECT_EQ(headers_of_replay(headers, again), headers_of_replay(of(letter), letter));
}

TEST(PositionName, KeepsPositionsApart) {
  const domain::LogPosition base{.log = "a", .topic = "b", .partition = 1, .offset = 2};
  EXPECT_EQ(position_name(base), "a/b/1/2");
  auto other = base;
  other.log = "a/b";
  EXPECT_NE(position_name(other), position_name(base));
}

}  // namespace
}  // namespace pebbles::kafka

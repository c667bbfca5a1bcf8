#include "ingress/kafka/dead_letter_headers.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pebbles::kafka {
namespace {

using testing::ElementsAre;

const Refusal refusal{.reason = "not_the_owner",
                      .detail = "of another",
                      .position = {.log = "cluster-1", .topic = "updates", .partition = 3, .offset = 5'000'000'000},
                      .time = *from_rfc3339("2026-01-02T03:04:05.678Z")};
const HeaderList originals = {{"traceparent", "00-1"}, {"n", "1"}, {"n", std::string("\0\xff", 2)}};

HeaderList of(const Refusal& one) {
  auto out = originals;
  append_headers(out, one);
  return out;
}

TEST(DeadLetterHeaders, SaysWhyWhereAndWhen) {
  EXPECT_EQ(of(refusal).size(), originals.size() + 7);
  EXPECT_EQ(of(refusal).back(), (Header{"pebbles-dlq-time", "2026-01-02T03:04:05.678Z"}));
  EXPECT_EQ(find_refusal(of(refusal)), refusal);
}

TEST(DeadLetterHeaders, TheLastRefusalCounts) {
  auto again = refusal;
  again.reason = "invalid";
  again.position.offset = 6;
  auto headers = of(refusal);
  append_headers(headers, again);
  EXPECT_EQ(find_refusal(headers), again);
}

TEST(DeadLetterHeaders, OthersAreNone) {
  EXPECT_EQ(find_refusal(originals), std::nullopt);
  for (const auto name : {header::reason, header::topic, header::partition, header::offset, header::time}) {
    auto headers = of(refusal);
    std::erase_if(headers, [&](const Header& one) { return one.name == name; });
    EXPECT_EQ(find_refusal(headers), std::nullopt) << name;
  }
  for (const auto& [name, value] :
       {std::pair{header::topic, ""}, std::pair{header::partition, "-1"}, std::pair{header::partition, "4294967296"},
        std::pair{header::offset, "7x"}, std::pair{header::offset, ""}, std::pair{header::time, "yesterday"}}) {
    auto headers = of(refusal);
    headers.push_back({.name = std::string{name}, .value = value});
    EXPECT_EQ(find_refusal(headers), std::nullopt) << name << ": " << value;
  }
}

TEST(DeadLetterHeaders, AReplayHasTheOriginalsHeaders) {
  auto expected = originals;
  expected.push_back({"pebbles-replay-of", "cluster-1/updates/3/5000000000"});
  EXPECT_EQ(headers_for_replay(of(refusal), refusal), expected);
}

TEST(DeadLetterHeaders, AReplayThatWasRefusedAgainNamesItsFirstOriginal) {
  auto headers = headers_for_replay(of(refusal), refusal);
  auto again = refusal;
  again.position.offset = 6'000'000'000;
  append_headers(headers, again);
  EXPECT_EQ(headers_for_replay(headers, again), headers_for_replay(of(refusal), refusal));
}

TEST(PositionName, KeepsPositionsApart) {
  const domain::LogPosition base{.log = "a", .topic = "b", .partition = 1, .offset = 2};
  EXPECT_EQ(position_name(base), "a/b/1/2");
  auto other = base;
  other.log = "a/b";
  EXPECT_NE(position_name(other), position_name(base));
}

TEST(KafkaDeadLetterHeaders, GoOnWithTheTraceOfTheOriginal) {
  const TraceContext step{.trace_id = "0af7651916cd43dd8448eb211c80319c", .parent_id = "b7ad6b7169203331", .flags = 1};
  const Header before{"traceparent", "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01"};
  const Header after{"traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"};
  const Header state{"tracestate", "vendor=1"};
  const Header other{"other", "1"};
  HeaderList headers{before, other, state};
  put_trace(headers, step);
  EXPECT_EQ(headers, (HeaderList{other, state, after}));
  headers = {{"traceparent", "nonsense"}, other, state};  // its state says nothing of a new trace
  put_trace(headers, step);
  EXPECT_EQ(headers, (HeaderList{other, after}));
}

}  // namespace
}  // namespace pebbles::kafka

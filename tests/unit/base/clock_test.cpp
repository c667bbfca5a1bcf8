#include "base/clock.hpp"

#include <gtest/gtest.h>

namespace pebbles {
namespace {

struct TimeRow {
  std::int64_t ms;
  std::string text;
};

class Rfc3339 : public testing::TestWithParam<TimeRow> {};

TEST_P(Rfc3339, IsUtcWithMilliseconds) {
  EXPECT_EQ(to_rfc3339(Timestamp{std::chrono::milliseconds{GetParam().ms}}), GetParam().text);
}

INSTANTIATE_TEST_SUITE_P(Rows, Rfc3339,
                         testing::Values(TimeRow{0, "1970-01-01T00:00:00.000Z"}, TimeRow{1, "1970-01-01T00:00:00.001Z"},
                                         TimeRow{-1, "1969-12-31T23:59:59.999Z"},
                                         TimeRow{1'704'123'000'000, "2024-01-01T15:30:00.000Z"},
                                         TimeRow{1'709'251'199'999, "2024-02-29T23:59:59.999Z"},
                                         TimeRow{4'107'542'400'000, "2100-03-01T00:00:00.000Z"},
                                         TimeRow{253'402'300'799'999, "9999-12-31T23:59:59.999Z"}));

TEST(Clock, AppendsBehindWhatIsThere) {
  std::string out = "at ";
  append_rfc3339(out, Timestamp{});
  EXPECT_EQ(out, "at 1970-01-01T00:00:00.000Z");
}

TEST(Clock, TheSystemsClockIsInThisCentury) {
  const auto text = to_rfc3339(SystemClock{}.now());
  EXPECT_EQ(text.substr(0, 2), "20");
}

}  // namespace
}  // namespace pebbles

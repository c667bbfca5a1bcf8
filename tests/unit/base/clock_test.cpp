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

TEST(Clock, ReadsWhatOthersWrite) {
  const auto read = [](std::string_view text) {
    const auto time = from_rfc3339(text);
    return time ? to_rfc3339(*time) : "none";
  };
  EXPECT_EQ(read("2024-01-01T15:30:00Z"), "2024-01-01T15:30:00.000Z");
  EXPECT_EQ(read("2024-02-29T23:59:59.5Z"), "2024-02-29T23:59:59.500Z");
  EXPECT_EQ(read("2024-01-01T15:30:00.123Z"), "2024-01-01T15:30:00.123Z");
  EXPECT_EQ(read("2024-01-01T15:30:00.123456Z"), "2024-01-01T15:30:00.123Z");
  EXPECT_EQ(read("2024-01-01T15:30:00.123456789Z"), "2024-01-01T15:30:00.123Z");
  EXPECT_EQ(read("1969-12-31T23:59:59.999Z"), "1969-12-31T23:59:59.999Z");
  for (const std::string_view bad :
       {"", "2024-01-01", "2024-01-01T15:30:00", "2024-01-01T15:30:00+01:00", "2024-02-30T00:00:00Z",
        "2024-01-01T24:00:00Z", "2024-01-01T15:30:00.Z", "2024-01-01T15:30:00,5Z", "2024-01-01 15:30:00Z",
        "x024-01-01T15:30:00Z", "2024-01-01T15:30:00.1x3Z", "2024-01-01T15:30:00.1234567890123456789Z"})
    EXPECT_EQ(read(bad), "none") << bad;
}

TEST(Clock, TheSystemsClockIsInThisCentury) {
  const auto text = to_rfc3339(SystemClock{}.now());
  EXPECT_EQ(text.substr(0, 2), "20");
}

}  // namespace
}  // namespace pebbles

#include "telemetry/telemetry.hpp"

#include <gtest/gtest.h>
#include <simdjson.h>

#include <algorithm>
#include <string>

namespace pebbles::telemetry {
namespace {

std::string logged(LogFormat format, std::string_view client, std::string_view filename) {
  ::testing::internal::CaptureStderr();
  EXPECT_TRUE(start_log("trace", format));
  append_refused(client, filename);
  auto out = ::testing::internal::GetCapturedStderr();
  EXPECT_TRUE(start_log("off", LogFormat::text));
  return out;
}

TEST(Telemetry, WhatAClientSentStaysInsideItsQuotes) {
  for (const auto format : {LogFormat::text, LogFormat::json}) {
    const auto line = logged(format, "krn:a\r\nerror request_failed", "\" level=\"err\\\x1b[31m\x7f");
    EXPECT_EQ(std::ranges::count(line, '\n'), 1) << line;
    EXPECT_TRUE(line.find_first_of("\r\x1b\x7f") == line.npos) << line;
    EXPECT_NE(line.find(R"("krn:a\u000d\u000aerror request_failed")"), line.npos) << line;
    EXPECT_NE(line.find(R"("\" level=\"err\\\u001b[31m\u007f")"), line.npos) << line;
  }
}

TEST(Telemetry, LongTextIsCut) {
  const auto line = logged(LogFormat::text, "krn:a", std::string(100'000, 'x'));
  EXPECT_LT(line.size(), 1'000);
  EXPECT_NE(line.find("xxx...\""), line.npos);
  for (const std::string before : {"", "x", "xx", "xxx"}) {
    std::string name = before;
    for (int i = 0; i < 300; ++i) name += "\U0001F600";
    const auto cut = logged(LogFormat::json, "krn:a", name);
    EXPECT_TRUE(simdjson::validate_utf8(cut.data(), cut.size())) << cut;
    EXPECT_NE(cut.find("\U0001F600...\""), cut.npos) << cut;
  }
}

TEST(Telemetry, TellsLevelsFromNonsense) {
  for (const auto* level : {"trace", "info", "warn", "off"}) EXPECT_TRUE(start_log(level, LogFormat::text)) << level;
  EXPECT_FALSE(start_log("loud", LogFormat::text));
  EXPECT_TRUE(start_log("off", LogFormat::text));
}

}  // namespace
}  // namespace pebbles::telemetry

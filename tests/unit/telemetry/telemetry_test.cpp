#include "telemetry/telemetry.hpp"

#include <gtest/gtest.h>
#include <simdjson.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <thread>

namespace pebbles::telemetry {
namespace {

std::string logged(LogFormat format, std::string_view client, std::string_view filename) {
  ::testing::internal::CaptureStderr();
  EXPECT_TRUE(start_log("trace", format));
  sqs_failed("", "", client, filename);
  flush_log();
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

std::string captured(auto&& act, std::string_view level = "info", LogFormat format = LogFormat::json) {
  ::testing::internal::CaptureStderr();
  EXPECT_TRUE(start_log(level, format));
  act();
  flush_log();
  auto out = ::testing::internal::GetCapturedStderr();
  EXPECT_TRUE(start_log("off", LogFormat::text));
  return out;
}

TEST(Telemetry, ALineOfJsonIsAnObjectWhateverItsTextsAre) {
  std::string all_bytes;
  for (int i = 0; i < 256; ++i) all_bytes += static_cast<char>(i);
  const std::string broken = "\xed\xa0\x80 \xf4\x90\x80\x80 \xc0\xaf \xf0\x9f\x98";
  for (const auto& text : {all_bytes, broken, "\xc2\x85" + all_bytes}) {
    const auto line = captured([&] { sqs_failed(text, text, text, text); });
    simdjson::dom::parser parser;
    simdjson::dom::object read;
    ASSERT_EQ(parser.parse(line).get(read), simdjson::SUCCESS) << line;
    std::string_view event;
    std::string_view level;
    ASSERT_EQ(read["event"].get(event), simdjson::SUCCESS);
    ASSERT_EQ(read["level"].get(level), simdjson::SUCCESS);
    EXPECT_EQ(event, "sqs_failed");
    EXPECT_EQ(level, "error");
    EXPECT_EQ(std::ranges::count(line, '\n'), 1);
  }
}

TEST(Telemetry, SecretsInTextsOfOthersAreMasked) {
  const auto line = captured([] { database_away("no servers: mongodb://root:hunter2@db/x?password=hunter2"); });
  EXPECT_EQ(line.find("hunter2"), line.npos) << line;
  // Also where a cut goes through them.
  const auto cut = captured([] { database_away(std::string(1010, 'x') + " mongodb://root:hunter2@db/"); });
  EXPECT_EQ(cut.find("hunt"), cut.npos) << cut;
}

TEST(Telemetry, TheLevelGoesStepByStepAndSaysSo) {
  const auto log = captured([] {
    change_level(Verbosity::more);
    EXPECT_TRUE(is_logged(Level::debug));
    EXPECT_FALSE(is_logged(Level::trace));
    for (int i = 0; i < 3; ++i) change_level(Verbosity::more);
    EXPECT_TRUE(is_logged(Level::trace));
    for (int i = 0; i < 9; ++i) change_level(Verbosity::less);
    EXPECT_FALSE(is_logged(Level::error));
    EXPECT_FALSE(is_logged(Level::off));
    change_level(Verbosity::more);
    EXPECT_TRUE(is_logged(Level::error));
    EXPECT_FALSE(is_logged(Level::warn));
  });
  EXPECT_NE(log.find(R"("event":"log_level_changed","from":"info","to":"debug")"), log.npos) << log;
  EXPECT_NE(log.find(R"("event":"log_level_changed","from":"error","to":"off")"), log.npos) << log;
}

TEST(Telemetry, WhatRepeatsIsSaidOnceASecondWithTheRestCounted) {
  const auto log = captured([] {
    for (int i = 0; i < 1000; ++i) read_failed("the store is away");
    std::this_thread::sleep_for(std::chrono::milliseconds{2500});
  });
  EXPECT_EQ(std::ranges::count(log, '\n'), 2) << log;
  EXPECT_NE(log.find(R"("event":"unsaid","of":"read_failed","lines":999})"), log.npos) << log;
}

}  // namespace
}  // namespace pebbles::telemetry

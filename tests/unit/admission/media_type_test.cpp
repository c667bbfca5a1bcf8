#include "admission/media_type.hpp"

#include <gtest/gtest.h>

namespace pebbles::admission {
namespace {

TEST(MediaType, IsJsonInUtf8) {
  for (const auto* yes :
       {"application/json", "Application/JSON", "application/json; charset=utf-8",
        R"(application/json ; Charset="UTF-8")", "application/json;x=y", "application/json;",
        "application/json;charset=utf8", R"("application/json")", R"("application/json; charset=utf8")", "text/json"})
    EXPECT_TRUE(is_json(yes)) << yes;
  for (const auto* no : {"", "text/plain", "application/json; charset=latin1", "application/jsonx",
                         "application/problem+json", "application/json, text/plain"})
    EXPECT_FALSE(is_json(no)) << no;
}

TEST(MediaType, LinesHaveManyNames) {
  for (const auto* yes : {"application/x-ndjson", "application/ndjson", "application/jsonl", "Application/X-JSONL",
                          "application/jsonlines; charset=utf8", "application/x-jsonlines", R"("application/jsonl")"})
    EXPECT_TRUE(is_ndjson(yes)) << yes;
  for (const auto* no : {"", "application/json", "application/jsonl; charset=utf-16", "text/plain"})
    EXPECT_FALSE(is_ndjson(no)) << no;
}

TEST(MediaType, EventsInJson) {
  EXPECT_TRUE(is_json_event("application/cloudevents+json; charset=utf8"));
  EXPECT_FALSE(is_json_event("application/cloudevents-batch+json"));
  EXPECT_TRUE(is_json_events("application/cloudevents-batch+json"));
}

}  // namespace
}  // namespace pebbles::admission

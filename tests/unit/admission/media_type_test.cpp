#include "admission/media_type.hpp"

#include <gtest/gtest.h>

namespace pebbles::admission {
namespace {

TEST(MediaType, IsJsonInUtf8) {
  for (const auto* yes : {"application/json", "Application/JSON", "application/json; charset=utf-8",
                          R"(application/json ; Charset="UTF-8")", "application/json;x=y", "application/json;"})
    EXPECT_TRUE(is_json(yes)) << yes;
  for (const auto* no : {"", "text/plain", "application/json; charset=latin1", "application/jsonx",
                         "application/problem+json", "application/json, text/plain"})
    EXPECT_FALSE(is_json(no)) << no;
}

}  // namespace
}  // namespace pebbles::admission

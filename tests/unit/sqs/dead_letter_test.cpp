#include "ingress/sqs/dead_letter.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pebbles::sqs {
namespace {

using testing::ElementsAre;
using testing::SizeIs;

DeadLetter letter() {
  DeadLetter out;
  out.original.id = "m-1";
  out.original.body = "body";
  out.original.attributes = {{"trace", "String", "1"}};
  out.reason = "invalid";
  out.detail = "counts must be given";
  out.trace = {.trace_id = "0af7651916cd43dd8448eb211c80319c", .parent_id = "b7ad6b7169203331", .flags = 1};
  out.time = *from_rfc3339("2026-01-02T03:04:05.678Z");
  return out;
}

const Attribute reason{"pebbles-dlq-reason", "String", "invalid"};
const Attribute detail{"pebbles-dlq-detail", "String", "counts must be given"};
const Attribute id{"pebbles-dlq-message-id", "String", "m-1"};
const Attribute time{"pebbles-dlq-time", "String", "2026-01-02T03:04:05.678Z"};

const Attribute traced{"traceparent", "String", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"};

TEST(SqsDeadLetter, HasItsOriginalAndTheReasonsFirst) {
  const auto message = message_of(letter(), false);
  EXPECT_EQ(message.body, "body");
  EXPECT_THAT(message.attributes, ElementsAre(reason, detail, id, time, traced, Attribute{"trace", "String", "1"}));
  EXPECT_EQ(message.group, "");
  EXPECT_EQ(message.deduplication_id, "");
}

TEST(SqsDeadLetter, HasNoMoreAttributesThanSqsTakes) {
  auto one = letter();
  for (int i = 0; i < 9; ++i) one.original.attributes.push_back({"a" + std::to_string(i), "String", "x"});
  const auto message = message_of(one, false);
  ASSERT_THAT(message.attributes, SizeIs(10));
  EXPECT_EQ(message.attributes[5].name, "trace");
  EXPECT_EQ(message.attributes[9].name, "a3");
}

TEST(SqsDeadLetter, AnotherRefusalReplacesTheFirstAndKeepsTheFirstId) {
  auto one = letter();
  one.original.attributes = {{"pebbles-dlq-reason", "String", "old"}, {"pebbles-dlq-message-id", "String", "m-0"}};
  const auto message = message_of(one, false);
  EXPECT_THAT(message.attributes,
              ElementsAre(reason, detail, Attribute{"pebbles-dlq-message-id", "String", "m-0"}, time, traced));
  EXPECT_EQ(original_id(one.original), "m-0");
  one.original.attributes[1].value = std::string(300, 'x');  // no key
  EXPECT_EQ(original_id(one.original), "m-1");
}

TEST(SqsDeadLetter, GoesOnWithTheTraceOfItsOriginal) {
  const Attribute state{"tracestate", "String", "vendor=1"};
  auto one = letter();
  one.original.attributes = {{"traceparent", "String", "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01"},
                             state};
  EXPECT_THAT(message_of(one, false).attributes, ElementsAre(reason, detail, id, time, traced, state));
  one.original.attributes[0].value = "00-nonsense";  // its state says nothing of a new trace
  EXPECT_THAT(message_of(one, false).attributes, ElementsAre(reason, detail, id, time, traced));
}

TEST(SqsDeadLetter, ToAFifoQueueItKeepsItsGroup) {
  auto one = letter();
  one.original.group = "g";
  EXPECT_EQ(message_of(one, true).group, "g");
  EXPECT_EQ(message_of(one, true).deduplication_id, "m-1");
  one.original.group.clear();
  EXPECT_EQ(message_of(one, true).group, "pebbles");
}

TEST(SqsDeadLetter, WhatIsTooLargeSaysWhatWasLeftOut) {
  const auto without_attributes = message_of(letter(), false, Keep::body);
  EXPECT_EQ(without_attributes.body, "body");
  EXPECT_THAT(without_attributes.attributes,
              ElementsAre(reason, detail, id, time, traced, Attribute{"pebbles-dlq-omitted", "String", "attributes"}));
  const auto without_body = message_of(letter(), false, Keep::reason);
  EXPECT_EQ(without_body.body, "(omitted)");
  EXPECT_EQ(without_body.attributes.back(), (Attribute{"pebbles-dlq-omitted", "String", "body"}));
}

TEST(SqsDeadLetter, ALongDetailIsCutBetweenCharacters) {
  auto one = letter();
  one.detail = std::string(1023, 'x') + "é";
  EXPECT_EQ(message_of(one, false).attributes[1].value, std::string(1023, 'x'));
}

}  // namespace
}  // namespace pebbles::sqs

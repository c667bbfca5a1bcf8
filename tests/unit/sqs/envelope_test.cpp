#include "ingress/sqs/envelope.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

namespace pebbles::sqs {
namespace {

using testing::ElementsAre;
using testing::Pair;
using testing::UnorderedElementsAre;

ReceivedMessage message(std::string body, std::vector<Attribute> attributes = {}) {
  ReceivedMessage out;
  out.body = std::move(body);
  out.attributes = std::move(attributes);
  return out;
}

std::map<std::string, std::string> headers_of(const Content& content) {
  std::map<std::string, std::string> out;
  for (const auto& [name, value] : content.headers()) out.emplace(name, value);
  return out;
}

const std::string notification =
    R"({"Type":"Notification","MessageId":"n-1","TopicArn":"arn:aws:sns:x","Message":"{\"filename\":\"a\"}",)"
    R"("MessageAttributes":{"content-type":{"Type":"String","Value":"application/json"},)"
    R"("raw":{"Type":"Binary","Value":"AAE="}}})";

TEST(SqsContent, AttributesAreHeaders) {
  const auto one = message("{}", {{"Content-Type", "String", "application/json"},
                                  {"n", "Number.int", "1"},
                                  {"b", "Binary", "AGI="},
                                  {"bad", "Binary", "?"}});
  const Content content{one};
  EXPECT_EQ(content.value(), "{}");
  EXPECT_THAT(headers_of(content),
              ElementsAre(Pair("Content-Type", "application/json"), Pair("b", std::string("\0b", 2)), Pair("n", "1")));
}

TEST(SqsContent, ANotificationIsUnwrapped) {
  const auto one = message(notification);
  const Content content{one};
  EXPECT_EQ(content.value(), R"({"filename":"a"})");
  EXPECT_EQ(content.notification_id(), "n-1");
  EXPECT_THAT(headers_of(content), ElementsAre(Pair("content-type", "application/json")));
}

TEST(SqsContent, WhatOnlyLooksLikeOneIsNot) {
  for (const std::string body :
       {R"({"Type":"Notification","Message":"x"})",
        R"({"Type":"Other","TopicArn":"a","Message":"x","n":"Notification"})",
        R"({"Type":"Notification","TopicArn":"a","Message":5})", R"(["Notification"])", R"("Notification")"}) {
    const auto one = message(body);
    const Content content{one};
    EXPECT_EQ(content.value(), body);
    EXPECT_EQ(content.notification_id(), "");
  }
}

TEST(SqsContent, TheThreeSpellingsOfAnEventsAttributes) {
  const auto one = message("{}", {{"ce_id", "String", "1"},
                                  {"ce-source", "String", "2"},
                                  {"cloudEvents_type", "String", "3"},
                                  {"cecil", "String", "4"}});
  EXPECT_THAT(headers_of(Content{one}), UnorderedElementsAre(Pair("ce_id", "1"), Pair("ce_source", "2"),
                                                             Pair("ce_type", "3"), Pair("cecil", "4")));
}

}  // namespace
}  // namespace pebbles::sqs

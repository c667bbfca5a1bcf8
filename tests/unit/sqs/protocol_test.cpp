#include "ingress/sqs/protocol.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/hex.hpp"
#include "crypto/md5.hpp"

namespace pebbles::sqs {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

const std::string url = "https://sqs.eu-west-1.amazonaws.com/1/q";

TEST(SqsRequests, AreWhatSqsReads) {
  EXPECT_EQ(receive_request(url, std::chrono::seconds{20}),
            R"({"QueueUrl":"https://sqs.eu-west-1.amazonaws.com/1/q","MaxNumberOfMessages":10,"WaitTimeSeconds":20,)"
            R"("AttributeNames":["ApproximateReceiveCount","MessageGroupId"],)"
            R"("MessageSystemAttributeNames":["ApproximateReceiveCount","MessageGroupId"],)"
            R"("MessageAttributeNames":["All"]})");
  EXPECT_EQ(facts_request("u"), R"({"QueueUrl":"u","AttributeNames":["All"]})");
  EXPECT_EQ(delete_request("u", std::vector<std::string>{"a\"", "b"}),
            R"({"QueueUrl":"u","Entries":[{"Id":"0","ReceiptHandle":"a\""},{"Id":"1","ReceiptHandle":"b"}]})");
  EXPECT_EQ(visibility_request("u", std::vector<VisibilityChange>{{"a", std::chrono::seconds{30}}}),
            R"({"QueueUrl":"u","Entries":[{"Id":"0","ReceiptHandle":"a","VisibilityTimeout":30}]})");
}

TEST(SqsRequests, SendWholeMessages) {
  const std::vector<OutgoingMessage> messages{{.body = "{}"},
                                              {.body = "b",
                                               .attributes = {{"n", "Number", "1"}, {"x", "Binary.gzip", "AAE="}},
                                               .group = "g",
                                               .deduplication_id = "d"}};
  EXPECT_EQ(send_request("u", messages),
            R"({"QueueUrl":"u","Entries":[{"Id":"0","MessageBody":"{}"},{"Id":"1","MessageBody":"b",)"
            R"("MessageAttributes":{"n":{"DataType":"Number","StringValue":"1"},)"
            R"("x":{"DataType":"Binary.gzip","BinaryValue":"AAE="}},)"
            R"("MessageGroupId":"g","MessageDeduplicationId":"d"}]})");
}

std::string message(const std::string& id, const std::string& body, const std::string& md5, const std::string& more) {
  return R"({"MessageId":")" + id + R"(","ReceiptHandle":"r-)" + id + R"(","Body":")" + body + R"(","MD5OfBody":")" +
         md5 + "\"" + more + "}";
}

TEST(SqsAnswers, AMessageIsReadWithItsAttributes) {
  const auto md5 = to_hex(crypto::md5("body"));
  const auto read = read_received(
      R"({"Messages":[)" +
      message("1", "body", md5,
              R"(,"Attributes":{"ApproximateReceiveCount":"3","MessageGroupId":"g"},"MessageAttributes":{)"
              R"("a":{"DataType":"String","StringValue":"x"},"b":{"DataType":"Binary","BinaryValue":"AAE="}})") +
      "]}");
  ASSERT_TRUE(read);
  ASSERT_THAT(read->messages, SizeIs(1));
  const auto& one = read->messages.front();
  EXPECT_EQ(one.id, "1");
  EXPECT_EQ(one.receipt, "r-1");
  EXPECT_EQ(one.body, "body");
  EXPECT_EQ(one.receive_count, 3);
  EXPECT_EQ(one.group, "g");
  EXPECT_THAT(one.attributes, ElementsAre(Attribute{"a", "String", "x"}, Attribute{"b", "Binary", "AAE="}));
}

TEST(SqsAnswers, ADamagedBodyIsNotReceived) {
  const auto good = to_hex(crypto::md5("b"));
  const auto read =
      read_received(R"({"Messages":[)" + message("1", "a", good, "") + "," + message("2", "b", good, "") + "]}");
  ASSERT_TRUE(read);
  EXPECT_THAT(read->damaged, ElementsAre("1"));
  ASSERT_THAT(read->messages, SizeIs(1));
  EXPECT_EQ(read->messages.front().id, "2");
}

TEST(SqsAnswers, NoMessagesAreNone) {
  for (const auto* const answer : {"{}", R"({"Messages":[]})", R"({"Messages":null})"}) {
    const auto read = read_received(answer);
    ASSERT_TRUE(read) << answer;
    EXPECT_THAT(read->messages, IsEmpty());
  }
}

TEST(SqsAnswers, WhatIsNoneIsRefused) {
  for (const auto* const answer :
       {"", "[]", "{\"Messages\":{}}", "{\"Messages\":[1]}", R"({"Messages":[{"MessageId":"1"}]})", "<html>"})
    EXPECT_FALSE(read_received(answer)) << answer;
  EXPECT_FALSE(read_facts("{}"));
  EXPECT_FALSE(read_batch("x", 1));
}

TEST(SqsAnswers, FactsOfAQueue) {
  const auto facts =
      read_facts(R"({"Attributes":{"VisibilityTimeout":"4","ApproximateNumberOfMessages":"5",)"
                 R"("ApproximateNumberOfMessagesNotVisible":"6","ApproximateNumberOfMessagesDelayed":"7",)"
                 R"("RedrivePolicy":"{\"deadLetterTargetArn\":\"arn:x\",\"maxReceiveCount\":5}"}})");
  ASSERT_TRUE(facts);
  EXPECT_EQ(facts->visibility_timeout, std::chrono::seconds{4});
  EXPECT_TRUE(facts->has_redrive_policy);
  EXPECT_EQ(facts->visible, 5);
  EXPECT_EQ(facts->in_flight, 6);
  EXPECT_EQ(facts->delayed, 7);
  for (const auto* const policy : {R"({"Attributes":{}})", R"({"Attributes":{"RedrivePolicy":""}})"})
    EXPECT_FALSE(read_facts(policy)->has_redrive_policy) << policy;
}

TEST(SqsAnswers, EntriesOfABatchAreJudgedOneByOne) {
  const auto results =
      read_batch(R"({"Successful":[{"Id":"2"},{"Id":"9"},{"Id":"x"}],)"
                 R"("Failed":[{"Id":"0","SenderFault":true,"Code":"ReceiptHandleIsInvalid","Message":"gone"}]})",
                 3);
  ASSERT_TRUE(results);
  ASSERT_THAT(*results, SizeIs(3));
  EXPECT_FALSE((*results)[0].done);
  EXPECT_TRUE((*results)[0].of_sender);
  EXPECT_EQ((*results)[0].code, "ReceiptHandleIsInvalid");
  EXPECT_FALSE((*results)[1].done);  // the answer says nothing of it
  EXPECT_FALSE((*results)[1].of_sender);
  EXPECT_TRUE((*results)[2].done);
}

}  // namespace
}  // namespace pebbles::sqs

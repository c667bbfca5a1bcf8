#include "ingress/sqs/message_reader.hpp"

#include <gtest/gtest.h>

#include "support/fake_clock.hpp"

namespace pebbles::sqs {
namespace {

const std::string members =
    R"("filename":"a.csv","counts":{"done":1,"warn":2,"failed":3},"clientKrn":"krn:acme","email":"ann@example.com")";
const std::string update = "{" + members + "}";

class SqsMessageReader : public testing::Test {
 protected:
  MessageReader::Read read(const std::string& body, std::vector<Attribute> attributes = {}) {
    ReceivedMessage message;
    message.id = "m-1";
    message.body = body;
    message.attributes = std::move(attributes);
    return reader.read(message);
  }
  std::string key_of(const std::string& body, std::vector<Attribute> attributes = {}) {
    const auto out = read(body, std::move(attributes));
    const auto* const found = std::get_if<MessageReader::Update>(&out);
    return found == nullptr ? std::get<admission::Unusable>(out).detail : found->report.key->text;
  }

  support::FakeClock clock;
  admission::ClientKrnRule rule = *admission::ClientKrnRule::compile(admission::ClientKrnRule::default_pattern);
  MessageReader reader{rule, clock};
};

TEST_F(SqsMessageReader, ReadsAnUpdate) {
  const auto out = read(update);
  const auto& found = std::get<MessageReader::Update>(out);
  EXPECT_EQ(*found.stream.client, "krn:acme");
  EXPECT_EQ(*found.report.by, "ann@example.com");
  EXPECT_EQ(found.report.channel, domain::Channel::sqs);
  EXPECT_EQ(found.report.at, support::t0);
  EXPECT_EQ(found.report.what.counts, (domain::Counts{1, 2, 3}));
  EXPECT_EQ(found.report.position, std::nullopt);
}

TEST_F(SqsMessageReader, KnowsAMessageByTheProducersKeyFirst) {
  EXPECT_EQ(key_of(update), "s:m-1");
  EXPECT_EQ(key_of("{" + members + R"(,"eventId":"e"})"), "p:e");
  EXPECT_EQ(key_of(update, {{"pebbles-dlq-message-id", "String", "m-0"}}), "s:m-0");
  EXPECT_EQ(key_of(R"({"specversion":"1.0","id":"1","source":"s","type":"t","data":)" + update + "}"),
            "p:s\x1f"
            "1");
}

TEST_F(SqsMessageReader, KnowsANotificationByTheIdOfSns) {
  std::string escaped;
  for (const char c : update) escaped += c == '"' ? std::string{"\\\""} : std::string{c};
  const auto notification =
      R"({"Type":"Notification","MessageId":"n-1","TopicArn":"arn","Message":")" + escaped + "\"}";
  EXPECT_EQ(key_of(notification), "s:n-1");
}

TEST_F(SqsMessageReader, ReadsAnEventInBinaryMode) {
  EXPECT_EQ(key_of(update, {{"ce-id", "String", "1"},
                            {"ce-source", "String", "s"},
                            {"ce-type", "String", "t"},
                            {"ce-specversion", "String", "1.0"}}),
            "p:s\x1f"
            "1");
}

TEST_F(SqsMessageReader, SaysWhatIsNoUpdate) {
  const auto out = read("{nonsense");
  EXPECT_EQ(std::get<admission::Unusable>(out).reason, admission::Reason::not_json);
}

}  // namespace
}  // namespace pebbles::sqs

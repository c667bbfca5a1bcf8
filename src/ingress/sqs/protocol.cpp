#include "ingress/sqs/protocol.hpp"

#include <simdjson.h>

#include <algorithm>
#include <charconv>

#include "base/hex.hpp"
#include "crypto/md5.hpp"
#include "json/parser.hpp"
#include "json/writer.hpp"

namespace pebbles::sqs {
namespace {

using simdjson::dom::array;
using simdjson::dom::element;
using simdjson::dom::object;

std::unexpected<Error> no_answer(std::string_view what) {
  return failure(Errc::invalid_argument, "the answer is none of SQS: " + std::string{what});
}

template <class T>
std::optional<T> get(const object& document, std::string_view name) {
  T out;
  if (document[name].get(out)) return std::nullopt;
  return out;
}

/// SQS writes numbers among attributes as texts.
std::optional<std::int64_t> number(const object& document, std::string_view name) {
  const auto written = json::text_in(document, name);
  std::int64_t out = 0;
  const auto* const begin = written.data();
  const auto* const end = begin + written.size();
  if (std::from_chars(begin, end, out) != std::from_chars_result{.ptr = end, .ec = {}} || out < 0) return std::nullopt;
  return out;
}

std::vector<Attribute> read_attributes(const object& all) {
  std::vector<Attribute> out;
  for (const auto [name, value] : all) {
    object attribute;
    if (value.get(attribute)) continue;
    Attribute& read = out.emplace_back();
    read.name = name;
    read.data_type = json::text_in(attribute, "DataType");
    read.value = json::text_in(attribute, read.is_binary() ? "BinaryValue" : "StringValue");
  }
  return out;
}

bool is_whole(std::string_view body, std::string_view md5) { return md5.empty() || to_hex(crypto::md5(body)) == md5; }

void begin(std::string& out, std::string_view queue_url) {
  out += R"({"QueueUrl":)";
  json::append_string(out, queue_url);
}

void append_member(std::string& out, std::string_view name, std::string_view value) {
  out += name;
  json::append_string(out, value);
}

/// `append` adds each entry's members behind its id.
template <class Entry, class Append>
std::string batch_request(std::string_view queue_url, std::span<const Entry> entries, Append append) {
  std::string out;
  out.reserve(64 + queue_url.size() + entries.size() * 256);
  begin(out, queue_url);
  out += R"(,"Entries":[)";
  for (std::size_t i = 0; i < entries.size(); ++i) {
    out += i == 0 ? R"({"Id":")" : R"(,{"Id":")";
    json::append_integer(out, static_cast<std::int64_t>(i));
    out += '"';
    append(out, entries[i]);
    out += '}';
  }
  return out += "]}";
}

void append_attributes(std::string& out, std::span<const Attribute> attributes) {
  out += R"(,"MessageAttributes":{)";
  std::string_view separator;
  for (const auto& attribute : attributes) {
    out += separator;
    separator = ",";
    json::append_string(out, attribute.name);
    append_member(out, R"(:{"DataType":)", attribute.data_type);
    append_member(out, attribute.is_binary() ? R"(,"BinaryValue":)" : R"(,"StringValue":)", attribute.value);
    out += '}';
  }
  out += '}';
}

/// The place that an entry's Id names.
std::optional<std::size_t> place_of(const element& entry, std::size_t entries) {
  object document;
  if (entry.get(document)) return std::nullopt;
  const auto id = number(document, "Id");
  if (!id || *id >= static_cast<std::int64_t>(entries)) return std::nullopt;
  return static_cast<std::size_t>(*id);
}

}  // namespace

std::string receive_request(std::string_view queue_url, std::chrono::seconds wait) {
  std::string out;
  begin(out, queue_url);
  out += R"(,"MaxNumberOfMessages":)";
  json::append_integer(out, batch_max);
  out += R"(,"WaitTimeSeconds":)";
  json::append_integer(out, wait.count());
  // The first is what SQS calls the second since 2024; other services know one of them.
  for (const auto* const name : {"AttributeNames", "MessageSystemAttributeNames"}) {
    out += ",\"";
    out += name;
    out += R"(":["ApproximateReceiveCount","MessageGroupId"])";
  }
  return out += R"(,"MessageAttributeNames":["All"]})";
}

std::string facts_request(std::string_view queue_url) {
  std::string out;
  begin(out, queue_url);
  // By name, those that a queue of another kind does not have would be errors.
  return out += R"(,"AttributeNames":["All"]})";
}

std::string delete_request(std::string_view queue_url, std::span<const std::string> receipts) {
  return batch_request(queue_url, receipts, [](std::string& out, const std::string& receipt) {
    append_member(out, R"(,"ReceiptHandle":)", receipt);
  });
}

std::string visibility_request(std::string_view queue_url, std::span<const VisibilityChange> changes) {
  return batch_request(queue_url, changes, [](std::string& out, const VisibilityChange& change) {
    append_member(out, R"(,"ReceiptHandle":)", change.receipt);
    out += R"(,"VisibilityTimeout":)";
    json::append_integer(out, change.timeout.count());
  });
}

std::string send_request(std::string_view queue_url, std::span<const OutgoingMessage> messages) {
  return batch_request(queue_url, messages, [](std::string& out, const OutgoingMessage& message) {
    append_member(out, R"(,"MessageBody":)", message.body);
    if (!message.attributes.empty()) append_attributes(out, message.attributes);
    if (!message.group.empty()) append_member(out, R"(,"MessageGroupId":)", message.group);
    if (!message.deduplication_id.empty())
      append_member(out, R"(,"MessageDeduplicationId":)", message.deduplication_id);
  });
}

Result<Received> read_received(std::string_view answer) {
  object document;
  if (json::parse(answer).get(document)) return no_answer("no JSON object");
  Received out;
  element found;
  if (document["Messages"].get(found) || found.is_null()) return out;  // there are none
  array messages;
  if (found.get(messages)) return no_answer("Messages");
  for (const auto one : messages) {
    object message;
    if (one.get(message)) return no_answer("a message");
    const auto id = json::text_in(message, "MessageId");
    const auto receipt = json::text_in(message, "ReceiptHandle");
    if (id.empty() || receipt.empty()) return no_answer("a message without MessageId or ReceiptHandle");
    const auto body = json::text_in(message, "Body");
    if (!is_whole(body, json::text_in(message, "MD5OfBody"))) {
      out.damaged.emplace_back(id);
      continue;
    }
    auto& read = out.messages.emplace_back();
    read.id = id;
    read.receipt = receipt;
    read.body = body;
    if (const auto system = get<object>(message, "Attributes")) {
      read.group = json::text_in(*system, "MessageGroupId");
      read.receive_count = static_cast<int>(
          std::clamp<std::int64_t>(number(*system, "ApproximateReceiveCount").value_or(1), 1, 1'000'000));
    }
    if (const auto attributes = get<object>(message, "MessageAttributes"))
      read.attributes = read_attributes(*attributes);
  }
  return out;
}

Result<QueueFacts> read_facts(std::string_view answer) {
  object document;
  object attributes;
  if (json::parse(answer).get(document) || document["Attributes"].get(attributes)) return no_answer("Attributes");
  QueueFacts out;
  if (const auto timeout = number(attributes, "VisibilityTimeout"))
    out.visibility_timeout = std::chrono::seconds{std::min<std::int64_t>(*timeout, 43'200)};
  // A policy that was taken away is an empty text to some.
  out.has_redrive_policy = json::text_in(attributes, "RedrivePolicy").contains("deadLetterTargetArn");
  out.visible = number(attributes, "ApproximateNumberOfMessages").value_or(0);
  out.in_flight = number(attributes, "ApproximateNumberOfMessagesNotVisible").value_or(0);
  out.delayed = number(attributes, "ApproximateNumberOfMessagesDelayed").value_or(0);
  return out;
}

Result<std::vector<EntryResult>> read_batch(std::string_view answer, std::size_t entries) {
  object document;
  if (json::parse(answer).get(document)) return no_answer("no JSON object");
  std::vector<EntryResult> out(entries, {.message = "SQS said nothing of it"});
  if (const auto successful = get<array>(document, "Successful"))
    for (const auto entry : *successful)
      if (const auto place = place_of(entry, entries)) out[*place] = {.done = true};
  if (const auto failed = get<array>(document, "Failed"))
    for (const auto entry : *failed)
      if (const auto place = place_of(entry, entries)) {
        const object fault = entry;  // it is one: its place was read
        out[*place] = {.of_sender = get<bool>(fault, "SenderFault").value_or(false),
                       .code = std::string{json::text_in(fault, "Code")},
                       .message = std::string{json::text_in(fault, "Message")}};
      }
  return out;
}

}  // namespace pebbles::sqs

#include "admission/message.hpp"

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pebbles::admission {
namespace {

using Headers = std::vector<MessageHeader>;

const std::string update_members =
    R"("filename":"a.csv","counts":{"done":1,"warn":2,"failed":3},"clientKrn":"krn:acme","email":"ann@example.com")";
const std::string plain = "{" + update_members + "}";
std::string update_with(const std::string& members) { return "{" + update_members + "," + members + "}"; }

/// The attributes that a CloudEvent must have, as members of a structured one.
const std::string attributes = R"("specversion":"1.0","id":"7","source":"/workers/3","type":"progress")";
/// What EventBridge puts around the detail that was sent to it.
std::string bridged(const std::string& members, const std::string& detail) {
  return R"({"version":"0","detail-type":"progress","account":"123456789012","time":"2026-01-01T00:00:00Z",)" +
         members + R"(,"region":"eu-west-1","resources":[],"detail":)" + detail + "}";
}

std::string event_with(const std::string& members) { return "{" + attributes + "," + members + "}"; }

const Headers structured = {{"content-type", "application/cloudevents+json; charset=UTF-8"}};
const Headers binary = {{"ce_specversion", "1.0"},
                        {"ce_id", "7"},
                        {"ce_source", "/workers/3"},
                        {"ce_type", "progress"},
                        {"content-type", "application/json"}};
Headers binary_with(std::string_view name, std::string_view value) {
  auto out = binary;
  out.push_back({name, value});
  return out;
}
Headers binary_without(std::string_view name) {
  auto out = binary;
  std::erase_if(out, [&](const MessageHeader& header) { return header.name == name; });
  return out;
}

const std::string long_text(10'240, 'x');

const std::string event_key =
    "/workers/3\x1f"
    "7";

std::variant<Message, Unusable> parsed(std::string_view value, const Headers& headers = {}) {
  static const auto rule = ClientKrnRule::compile(ClientKrnRule::default_pattern);
  return parse_message(value, headers, *rule);
}

Message good_message(std::string_view value, const Headers& headers = {}) {
  auto out = parsed(value, headers);
  if (const auto* unusable = std::get_if<Unusable>(&out)) {
    ADD_FAILURE() << name_of(unusable->reason) << ": " << unusable->detail;
    return {};
  }
  return std::get<Message>(std::move(out));
}

struct Good {
  std::string name;
  std::string value;
  Headers headers;
  std::string event_id;
};

std::string name_of_case(const auto& info) { return info.param.name; }

class GoodMessage : public testing::TestWithParam<Good> {};

TEST_P(GoodMessage, SaysTheSameInEveryEnvelope) {
  const auto message = good_message(GetParam().value, GetParam().headers);
  EXPECT_EQ(message.stream,
            (domain::StreamId{.client = domain::ClientKrn{"krn:acme"}, .filename = domain::Filename{"a.csv"}}));
  EXPECT_EQ(*message.by, "ann@example.com");
  EXPECT_EQ(message.what.counts, (domain::Counts{1, 2, 3}));
  EXPECT_EQ(message.event_id, GetParam().event_id);
}

// The data in Base64: {"filename":"a.csv","counts":{"done":1,"warn":2,"failed":3},"clientKrn":"krn:acme",
// "email":"ann@example.com"}.
constexpr std::string_view base64 =
    "eyJmaWxlbmFtZSI6ImEuY3N2IiwiY291bnRzIjp7ImRvbmUiOjEsIndhcm4iOjIsImZhaWxlZCI6M30sImNsaWVudEtybiI6Imty"
    "bjphY21lIiwiZW1haWwiOiJhbm5AZXhhbXBsZS5jb20ifQ==";

INSTANTIATE_TEST_SUITE_P(
    Plain, GoodMessage,
    testing::Values(Good{"bare", plain, {}, ""}, Good{"with_a_key", update_with(R"("eventId":"e-1")"), {}, "e-1"},
                    Good{"as_json", plain, {{"content-type", "application/json"}}, ""},
                    Good{"as_json_in_utf_8", plain, {{"Content-Type", "Application/JSON; charset=\"UTF-8\""}}, ""},
                    Good{"the_last_content_type_counts",
                         plain,
                         {{"content-type", "text/plain"}, {"content-type", "application/json"}},
                         ""},
                    Good{"other_headers", plain, {{"traceparent", "\xff"}, {"ce_subject", "b.csv"}, {"", ""}}, ""},
                    Good{"unknown_members", update_with(R"("specversion":null,"data":5,"detail-type":"x")"), {}, ""},
                    Good{"null_content_type", plain, {{"content-type", ""}}, ""},
                    Good{"quoted_content_type", plain, {{"content-type", "\"application/json\""}}, ""},
                    Good{"charset_without_a_dash", plain, {{"content-type", "application/json;charset=utf8"}}, ""},
                    Good{"text_json", plain, {{"content-type", "text/json"}}, ""}),
    name_of_case<testing::TestParamInfo<Good>>);

INSTANTIATE_TEST_SUITE_P(
    Binary, GoodMessage,
    testing::Values(
        Good{"json", plain, binary, event_key},
        Good{"without_content_type", plain, binary_without("content-type"), event_key},
        Good{"built_on_json", plain, binary_with("content-type", "application/vnd.acme.progress+json"), event_key},
        Good{"the_last_id_counts", plain, binary_with("ce_id", "8"),
             "/workers/3\x1f"
             "8"},
        Good{"subject_and_time_are_ignored", plain, binary_with("ce_subject", "b.csv"), event_key},
        Good{"datacontenttype_is_the_content_type", plain, binary_with("ce_datacontenttype", "text/xml"), event_key},
        Good{"the_key_twice", update_with(R"("eventId":"7")"), binary, "7"}),
    name_of_case<testing::TestParamInfo<Good>>);

INSTANTIATE_TEST_SUITE_P(
    Structured, GoodMessage,
    testing::Values(
        Good{"data", event_with("\"data\":" + plain), structured, event_key},
        Good{"data_first", "{\"data\":" + plain + "," + attributes + "}", structured, event_key},
        Good{"json_data", event_with(R"("datacontenttype":"application/json; charset=utf-8","data":)" + plain),
             structured, event_key},
        Good{"null_content_type", event_with(R"("datacontenttype":null,"data":)" + plain), structured, event_key},
        Good{"without_a_content_type", event_with("\"data\":" + plain), {}, event_key},
        Good{"as_text", event_with("\"data\":" + plain), {{"content-type", "text/plain"}}, event_key},
        Good{"as_json", event_with("\"data\":" + plain), {{"content-type", "application/json"}}, event_key},
        Good{"as_another_format",
             event_with("\"data\":" + plain),
             {{"content-type", "application/cloudevents+avro; charset=utf-16"}},
             event_key},
        Good{"text_json_data", event_with(R"("datacontenttype":"text/json","data":)" + plain), structured, event_key},
        Good{"quoted",
             event_with("\"data\":" + plain),
             {{"content-type", "\"application/cloudevents+json\""}},
             event_key},
        Good{"of_eventbridge",
             bridged("\"id\":\"b-1\",\"source\":\"acme.worker\"", plain),
             {},
             "acme.worker\x1f"
             "b-1"},
        Good{"of_eventbridge_with_its_own_key",
             bridged("\"id\":\"b-1\",\"source\":\"acme.worker\"", update_with(R"("eventId":"e-1")")),
             {},
             "e-1"},
        Good{"extensions",
             event_with(R"("subject":"b.csv","time":5,"partitionkey":"p","traceparent":"t","data":)" + plain),
             structured, event_key},
        Good{"base64", event_with(fmt::format(R"("data_base64":"{}")", base64)), structured, event_key},
        Good{"the_key_twice", event_with("\"data\":" + update_with(R"("eventId":"7")")), structured, "7"},
        Good{"headers_of_binary_mode_too",
             event_with("\"data\":" + plain),
             {{"ce_id", "9"}, {"content-type", "Application/CloudEvents+JSON"}},
             event_key}),
    name_of_case<testing::TestParamInfo<Good>>);

struct Bad {
  std::string name;
  std::string value;
  Headers headers;
  Reason reason;
  std::string detail;  ///< a part of it
};

class BadMessage : public testing::TestWithParam<Bad> {};

TEST_P(BadMessage, IsUnusable) {
  const auto out = parsed(GetParam().value, GetParam().headers);
  const auto* unusable = std::get_if<Unusable>(&out);
  ASSERT_NE(unusable, nullptr) << "it was taken";
  EXPECT_EQ(name_of(unusable->reason), name_of(GetParam().reason)) << unusable->detail;
  EXPECT_THAT(unusable->detail, testing::HasSubstr(GetParam().detail));
}

/// A megabyte that is valid but for its size.
std::string padded(std::size_t bytes) {
  return update_with(R"("x":")" + std::string(bytes - plain.size() - 7, 'x') + '"');
}

INSTANTIATE_TEST_SUITE_P(
    Bytes, BadMessage,
    testing::Values(
        Bad{"empty", "", {}, Reason::empty_value, "empty"},
        Bad{"empty_event", "", binary, Reason::empty_value, "empty"},
        Bad{"over_the_limit", padded(update_bytes_max + 1), {}, Reason::too_large, "1048576"},
        Bad{"not_json", "hello", {}, Reason::not_json, "the value is not valid JSON"},
        Bad{"truncated", plain.substr(0, plain.size() - 1), {}, Reason::not_json, "found the end of the text"},
        Bad{"two_documents", plain + plain, {}, Reason::not_json, "expected the end of the text"},
        Bad{"bytes_ff", "\xff\xff\xff", {}, Reason::not_json, "not ASCII"},
        Bad{"invalid_utf_8", update_with("\"x\":\"\xff\""), {}, Reason::not_json, "not UTF-8"},
        Bad{"null", "null", {}, Reason::not_json, "must be a JSON object"},
        Bad{"a_list", "[" + plain + "]", {}, Reason::not_json, "must be a JSON object"},
        Bad{"a_list_of_updates", "[" + plain + "," + plain + "]", {}, Reason::not_json, "object"},
        Bad{"utf_16",
            std::string("{\0\"\0a\0\"\0:\0"
                        "1\0}\0",
                        14),
            {},
            Reason::not_json,
            ""},
        Bad{"byte_order_mark", "\xef\xbb\xbf" + plain, {}, Reason::not_json, ""},
        Bad{"gzip", std::string("\x1f\x8b\x08\0\0\0\0\0\0\x03", 10), {}, Reason::not_json, ""},
        Bad{"avro_with_a_schema_id", std::string("\0\0\0\0\x07ok", 7), {}, Reason::not_json, ""},
        Bad{"deep", std::string(100'000, '['), {}, Reason::not_json, ""}),
    name_of_case<testing::TestParamInfo<Bad>>);

std::string replaced(const std::string& from, const std::string& to) {
  auto out = plain;
  out.replace(out.find(from), from.size(), to);
  return out;
}

INSTANTIATE_TEST_SUITE_P(
    Members, BadMessage,
    testing::Values(
        Bad{"nothing", "{}", {}, Reason::invalid, "filename is required; counts is required"},
        Bad{"no_filename", replaced(R"("filename":"a.csv",)", ""), {}, Reason::invalid, "filename is required"},
        Bad{"no_counts", replaced(R"("counts":{"done":1,"warn":2,"failed":3},)", ""), {}, Reason::invalid, "counts"},
        Bad{"a_bad_count", replaced(R"("done":1)", R"("done":-1)"), {}, Reason::invalid, "counts.done"},
        Bad{"no_client", replaced(R"(,"clientKrn":"krn:acme")", ""), {}, Reason::invalid, "clientKrn"},
        Bad{"client_without_krn", replaced("krn:acme", "acme"), {}, Reason::invalid, "clientKrn"},
        Bad{"client_with_a_slash", replaced("krn:acme", "krn:a/b"), {}, Reason::invalid, "clientKrn"},
        Bad{"client_a_number", replaced("\"krn:acme\"", "5"), {}, Reason::invalid, "clientKrn"},
        Bad{"client_too_long", replaced("krn:acme", "krn:" + std::string(253, 'a')), {}, Reason::invalid, "clientKrn"},
        Bad{"no_email", replaced(R"(,"email":"ann@example.com")", ""), {}, Reason::invalid, "email"},
        Bad{"email_null", replaced("\"ann@example.com\"", "null"), {}, Reason::invalid, "email"},
        Bad{"email_no_address", replaced("ann@example.com", "ann"), {}, Reason::invalid, "email"},
        Bad{"neither",
            replaced(R"(,"clientKrn":"krn:acme","email":"ann@example.com")", ""),
            {},
            Reason::invalid,
            "clientKrn must be given and a valid client name; email"},
        Bad{"client_twice",
            update_with(R"("clientKrn":"krn:acme")"),
            {},
            Reason::invalid,
            "clientKrn must be given only once"},
        Bad{"empty_key", update_with(R"("eventId":"")"), {}, Reason::invalid, "eventId"},
        Bad{"long_key", update_with(R"("eventId":")" + std::string(257, 'k') + '"'), {}, Reason::invalid, "eventId"},
        Bad{"key_with_a_control_character", update_with(R"("eventId":"a\u001fb")"), {}, Reason::invalid, "eventId"}),
    name_of_case<testing::TestParamInfo<Bad>>);

INSTANTIATE_TEST_SUITE_P(
    ContentType, BadMessage,
    testing::Values(
        Bad{"text", plain, {{"content-type", "text/plain"}}, Reason::content_type, "application/json"},
        Bad{"latin_1", plain, {{"content-type", "application/json; charset=latin1"}}, Reason::content_type, "UTF-8"},
        Bad{"avro", plain, {{"content-type", "application/avro"}}, Reason::content_type, ""},
        Bad{"binary_xml", plain, binary_with("content-type", "text/xml"), Reason::content_type, "datacontenttype"},
        Bad{"binary_only_the_suffix", plain, binary_with("content-type", "+json"), Reason::content_type, ""},
        Bad{"structured_xml", event_with(R"("datacontenttype":"text/xml","data":)" + plain), structured,
            Reason::content_type, "datacontenttype"},
        Bad{"structured_latin_1", event_with(R"("datacontenttype":"application/json;charset=latin1","data":)" + plain),
            structured, Reason::content_type, "UTF-8"},
        Bad{"structured_avro",
            "Obj",
            {{"content-type", "application/cloudevents+avro"}},
            Reason::content_type,
            "application/cloudevents+json"},
        Bad{"avro_that_names_it", "Obj \"specversion\"", {{"content-type", "avro/binary"}}, Reason::content_type, ""},
        Bad{"not_an_event_within",
            update_with(R"("x":{"specversion":"1.0"})"),
            {{"content-type", "text/plain"}},
            Reason::content_type,
            ""},
        Bad{"batched",
            "[" + event_with("\"data\":" + plain) + "]",
            {{"content-type", "application/cloudevents-batch+json"}},
            Reason::content_type,
            "only"}),
    name_of_case<testing::TestParamInfo<Bad>>);

INSTANTIATE_TEST_SUITE_P(
    BinaryEvents, BadMessage,
    testing::Values(Bad{"version_0_3", plain, binary_with("ce_specversion", "0.3"), Reason::cloud_event,
                        "specversion must be 1.0"},
                    Bad{"version_2_0", plain, binary_with("ce_specversion", "2.0"), Reason::cloud_event, "specversion"},
                    Bad{"no_version", plain, binary_without("ce_specversion"), Reason::cloud_event, "specversion"},
                    Bad{"no_id", plain, binary_without("ce_id"), Reason::cloud_event, "id must be"},
                    Bad{"empty_id", plain, binary_with("ce_id", ""), Reason::cloud_event, "id must be"},
                    Bad{"id_of_10_kib", plain, binary_with("ce_id", long_text), Reason::cloud_event, "256"},
                    Bad{"id_not_utf_8", plain, binary_with("ce_id", "\xff"), Reason::cloud_event, "id must be"},
                    Bad{"id_with_the_separator", plain,
                        binary_with("ce_id",
                                    "a\x1f"
                                    "b"),
                        Reason::cloud_event, "control"},
                    Bad{"no_source", plain, binary_without("ce_source"), Reason::cloud_event, "source must be"},
                    Bad{"no_type", plain, binary_without("ce_type"), Reason::cloud_event, "type must be"},
                    Bad{"another_key", update_with(R"("eventId":"8")"), binary, Reason::keys_differ, "eventId"}),
    name_of_case<testing::TestParamInfo<Bad>>);

INSTANTIATE_TEST_SUITE_P(
    StructuredEvents, BadMessage,
    testing::Values(
        Bad{"not_json", "hello", structured, Reason::not_json, "the value"},
        Bad{"a_bare_update", plain, structured, Reason::cloud_event, "data"},
        Bad{"no_version", R"({"id":"7","source":"s","type":"t","data":)" + plain + "}", structured, Reason::cloud_event,
            "specversion"},
        Bad{"version_a_number", R"({"specversion":1.0,"id":"7","source":"s","type":"t","data":)" + plain + "}",
            structured, Reason::cloud_event, "specversion must be a string"},
        Bad{"null_id", R"({"specversion":"1.0","id":null,"source":"s","type":"t","data":)" + plain + "}", structured,
            Reason::cloud_event, "id must be"},
        Bad{"id_twice", event_with(R"("id":"7","data":)" + plain), structured, Reason::cloud_event, "only once"},
        Bad{"data_twice", event_with("\"data\":" + plain + ",\"data\":" + plain), structured, Reason::cloud_event,
            "data must be given only once"},
        Bad{"no_data", "{" + attributes + "}", structured, Reason::cloud_event, "either data or data_base64"},
        Bad{"both_data", event_with(R"("data_base64":"e30=","data":)" + plain), structured, Reason::cloud_event,
            "either data or data_base64"},
        Bad{"data_a_text", event_with(R"("data":"{}")"), structured, Reason::not_json, "data must be a JSON object"},
        Bad{"null_data", event_with(R"("data":null)"), structured, Reason::not_json, "data must be"},
        Bad{"data_not_base64", event_with(R"("data_base64":"e30")"), structured, Reason::cloud_event, "Base64"},
        Bad{"data_base64_not_json", event_with(R"("data_base64":"AAAA")"), structured, Reason::not_json, "data_base64"},
        Bad{"data_base64_empty", event_with(R"("data_base64":"")"), structured, Reason::not_json, "empty"},
        Bad{"bad_data", event_with(R"("data":{})"), structured, Reason::invalid, "filename is required"},
        Bad{"another_key", event_with("\"data\":" + update_with(R"("eventId":"8")")), structured, Reason::keys_differ,
            "eventId"},
        Bad{"of_eventbridge_without_id",
            bridged("\"source\":\"acme.worker\"", plain),
            {},
            Reason::invalid,
            "id and source"},
        Bad{"of_eventbridge_bad_detail",
            bridged("\"id\":\"b-1\",\"source\":\"s\"", "{}"),
            {},
            Reason::invalid,
            "filename is required"},
        Bad{"a_key_with_its_source", event_with("\"data\":" + update_with(R"("eventId":"/workers/3 7")")), structured,
            Reason::keys_differ, "eventId"}),
    name_of_case<testing::TestParamInfo<Bad>>);

TEST(ParseMessage, TakesAMessageOfTheLimit) { EXPECT_EQ(good_message(padded(update_bytes_max)).event_id, ""); }

TEST(ParseMessage, DetailsDoNotRepeatTheMessage) {
  for (const auto& [value, headers] :
       {std::pair{replaced("krn:acme", "secret"), Headers{}}, std::pair{plain, binary_with("ce_specversion", "secret")},
        std::pair{plain, Headers{{"content-type", "secret"}}}, std::pair{std::string{"secret"}, Headers{}}}) {
    const auto out = parsed(value, headers);
    ASSERT_TRUE(std::holds_alternative<Unusable>(out));
    EXPECT_THAT(std::get<Unusable>(out).detail, testing::Not(testing::HasSubstr("secret")));
  }
}

TEST(ParseMessage, SourcesKeepTheirEventsApart) {
  EXPECT_NE(good_message(plain, binary).event_id, good_message(plain, binary_with("ce_source", "/workers/4")).event_id);
}

TEST(Reason, NamesAreStable) {
  const std::vector<std::string_view> names = {"empty_value", "too_large",   "content_type", "not_json",
                                               "invalid",     "cloud_event", "keys_differ"};
  for (std::size_t i = 0; i < names.size(); ++i) EXPECT_EQ(name_of(static_cast<Reason>(i)), names[i]);
}

}  // namespace
}  // namespace pebbles::admission

#include "admission/update.hpp"

#include <gtest/gtest.h>

#include <set>

#include "base/hex.hpp"
#include "crypto/sha256.hpp"

namespace pebbles::admission {
namespace {

Update update_of(const std::string& members) {
  return std::get<Update>(
      parse_update(R"({"filename":"a.csv","counts":{"done":5,"warn":0,"failed":1})" + members + "}"));
}

std::string fingerprint_of(const Update& update) { return to_hex(make_key("p:", "k", update.what).fingerprint); }
std::string hash_of(std::string_view text) { return to_hex(crypto::short_sha256({text})); }

TEST(MakeKey, IsTheTextWithItsSpaceAndItsHash) {
  const auto key = make_key("p:", "run-7/2", update_of("").what);
  EXPECT_EQ(key.text, "p:run-7/2");
  EXPECT_EQ(key.hash, crypto::short_sha256({"p:run-7/2"}));
  EXPECT_NE(key.hash, make_key("s:", "run-7/2", update_of("").what).hash);
}

// Fingerprints stand in logs that exist: these bytes cannot change any more, whatever the code does.
TEST(Fingerprint, IsTheHashOfTheCanonicalRendering) {
  EXPECT_EQ(
      fingerprint_of(update_of("")),
      hash_of(R"({"counts":{"done":5,"warn":0,"failed":1},"total":null,"isLast":false,"errors":[],"warnings":[]})"));
  EXPECT_EQ(
      fingerprint_of(update_of(
          R"(,"total":9,"isLast":true,"errors":[{"message":"a\"b","line":3},{"message":"é"}],"warnings":[{"message":"\n"}])")),
      hash_of(R"({"counts":{"done":5,"warn":0,"failed":1},"total":9,"isLast":true,)"
              R"("errors":[{"line":3,"message":"a\"b"},{"message":"é"}],"warnings":[{"message":"\n"}]})"));
  EXPECT_EQ(fingerprint_of(update_of("")), "8d159261e5ac00bea3055c84694b2e1f");
}

TEST(Fingerprint, LeavesOutWhatWasIgnoredOnce) {
  EXPECT_EQ(fingerprint_of(update_of(R"(,"errors":[{"message":"m","code":1,"field":"f","value":"v"}])")),
            fingerprint_of(update_of(R"(,"errors":[{"message":"m"}])")));
}

TEST(Fingerprint, LeavesOutWhoWhereAndWhichKey) {
  const auto plain = fingerprint_of(update_of(""));
  EXPECT_EQ(fingerprint_of(update_of(R"(,"eventId":"x","email":"a@b.c","clientKrn":"krn:a","unknown":1)")), plain);
  auto renamed = update_of("");
  renamed.filename = domain::Filename{"b.csv"};
  EXPECT_EQ(fingerprint_of(renamed), plain);
  EXPECT_EQ(make_key("s:", "other", renamed.what).fingerprint, make_key("p:", "k", update_of("").what).fingerprint);
}

TEST(Fingerprint, SpellingDoesNotMatter) {
  EXPECT_EQ(fingerprint_of(update_of(R"(, "errors" : [ {"line":1 , "message":"\u0061"} ], "total": null)")),
            fingerprint_of(update_of(R"(,"isLast":false,"errors":[{"message":"a","line":1}],"warnings":[])")));
}

TEST(Fingerprint, DiffersForDifferentUpdates) {
  std::set<std::string> seen;
  const std::vector<std::string> different{
      "",
      R"(,"total":1)",
      R"(,"isLast":true)",
      R"(,"errors":[{"message":""}])",
      R"(,"warnings":[{"message":""}])",
      R"(,"errors":[{"message":""},{"message":""}])",
      R"(,"errors":[{"message":"","line":1}])",
      R"(,"errors":[{"message":"a"},{"message":"b"}])",
      R"(,"errors":[{"message":"b"},{"message":"a"}])",
      R"(,"errors":[{"message":"a\"},{\"message\":\"b"}])",
      R"(,"errors":[{"message":"a"}],"warnings":[{"message":"b"}])",
  };
  for (const auto& members : different) EXPECT_TRUE(seen.insert(fingerprint_of(update_of(members))).second) << members;
}

TEST(Summary, JoinsTheFaults) {
  EXPECT_EQ(summary_of({{.detail = "a is wrong", .pointer = "/a"}}), "Invalid parameters: a is wrong");
  EXPECT_EQ(summary_of({{.detail = "a is wrong", .pointer = "/a"}, {.detail = "b is missing", .pointer = "/b"}}),
            "Invalid parameters: a is wrong; b is missing");
}

TEST(Validity, KeysAndFilenamesAreBoundedPlainText) {
  const std::vector<std::string> bad{"",     "a\n",   std::string("\0", 1), "\x7f", "\u0085",
                                     "\xff", "a\xc2", "\xed\xa0\x80"};
  for (const auto& text : bad) {
    EXPECT_FALSE(is_valid_key(text));
    EXPECT_FALSE(is_valid_filename(text));
  }
  EXPECT_TRUE(is_valid_key(std::string(256, 'x')));
  EXPECT_FALSE(is_valid_key(std::string(257, 'x')));
  EXPECT_TRUE(is_valid_filename(std::string(1024, 'x')));
  EXPECT_FALSE(is_valid_filename(std::string(1025, 'x')));
  EXPECT_TRUE(is_valid_filename("a/b ‏😀\"'"));
}

TEST(Validity, EmailsAreValidUtf8) {
  EXPECT_TRUE(is_valid_email("ann@example.com"));
  EXPECT_FALSE(is_valid_email("ann@example"));
  EXPECT_FALSE(is_valid_email("\xff@example.com"));
}

}  // namespace
}  // namespace pebbles::admission

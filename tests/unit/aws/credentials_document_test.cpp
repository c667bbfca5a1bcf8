#include "aws/credentials_document.hpp"

#include <gtest/gtest.h>

namespace pebbles::aws {
namespace {

using namespace std::chrono_literals;
constexpr Timestamp expiry{std::chrono::sys_days{std::chrono::year{2030} / 1 / 2} + 3h + 4min + 5s};

std::string replaced(std::string text, std::string_view old, std::string_view with) {
  return text.replace(text.find(old), old.size(), with);
}

const std::string document =
    R"({"Code":"Success","AccessKeyId":"ASIA","SecretAccessKey":"s/+=","Token":"t==","Expiration":"2030-01-02T03:04:05Z"})";
const std::string answer =
    "<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\n"
    "<AssumeRoleWithWebIdentityResult>\n<SubjectFromWebIdentityToken>x</SubjectFromWebIdentityToken>\n<Credentials>\n"
    "<SessionToken>t&amp;&lt;&gt;&quot;&apos;=</SessionToken><SecretAccessKey>s/+=</SecretAccessKey>\n"
    "<Expiration>2030-01-02T03:04:05Z</Expiration><AccessKeyId>ASIA</AccessKeyId>\n</Credentials>\n"
    "</AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>";

TEST(CredentialsJson, IsRead) {
  const Credentials expected{
      .access_key_id = "ASIA", .secret_access_key = "s/+=", .session_token = "t==", .expires = expiry};
  EXPECT_EQ(read_credentials_json(document).value(), expected);
  EXPECT_EQ(read_credentials_json(R"({"AccessKeyId":"A","SecretAccessKey":"s"})").value(),
            (Credentials{.access_key_id = "A", .secret_access_key = "s"}));
}

TEST(CredentialsJson, WhatIsMissingOrWrongIsSaidWithoutTheRest) {
  for (const auto& [text, why] : std::vector<std::pair<std::string, std::string>>{
           {"", "no JSON object"},
           {"[]", "no JSON object"},
           {document + "x", "no JSON object"},
           {replaced(document, "AccessKeyId", "Accesskeyid"), "no AccessKeyId"},
           {replaced(document, R"("ASIA")", "7"), "no AccessKeyId"},
           {replaced(document, R"("s/+=")", "null"), "no SecretAccessKey"},
           {replaced(document, "2030-01-02T03:04:05Z", "tomorrow"), "no time"},
           {R"({"Code":"AssumeRoleUnauthorizedAccess","Message":"not trusted"})",
            "AssumeRoleUnauthorizedAccess: not trusted"}}) {
    const auto read = read_credentials_json(text);
    ASSERT_FALSE(read) << text;
    EXPECT_NE(read.error().detail.find(why), std::string::npos) << read.error().detail;
    EXPECT_EQ(read.error().detail.find("s/+="), std::string::npos);
  }
}

TEST(StsCredentials, AreRead) {
  const Credentials expected{
      .access_key_id = "ASIA", .secret_access_key = "s/+=", .session_token = "t&<>\"'=", .expires = expiry};
  EXPECT_EQ(read_sts_credentials(answer).value(), expected);
}

TEST(StsCredentials, NothingMayBeMissingOrStrange) {
  for (const auto& [old, with] : std::vector<std::pair<std::string, std::string>>{{"<Credentials>", ""},
                                                                                  {"</Credentials>", ""},
                                                                                  {"<AccessKeyId>", "<AccessKeyId >"},
                                                                                  {"ASIA", ""},
                                                                                  {"ASIA", "<b>ASIA</b>"},
                                                                                  {"ASIA", "<![CDATA[ASIA]]>"},
                                                                                  {"&amp;", "&#65;"},
                                                                                  {"&amp;", "&"},
                                                                                  {"05Z", "05"},
                                                                                  {"Expiration>", "Expired>"}})
    EXPECT_FALSE(read_sts_credentials(replaced(answer, old, with))) << old << " -> " << with;
  EXPECT_FALSE(read_sts_credentials(""));
}

TEST(StsCredentials, PartsOutsideOfTheElementDoNotCount) {
  const auto moved = replaced(replaced(answer, "<AccessKeyId>ASIA</AccessKeyId>", ""), "<Credentials>",
                              "<AccessKeyId>ASIA</AccessKeyId><Credentials>");
  EXPECT_FALSE(read_sts_credentials(moved));
}

TEST(StsCredentials, AnErrorHasACode) {
  EXPECT_EQ(
      read_sts_error_code("<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code></Error></ErrorResponse>"),
      "AccessDenied");
  EXPECT_EQ(read_sts_error_code("<Code>AccessDenied</Code>"), "");
  EXPECT_EQ(read_sts_error_code("Bad Gateway"), "");
}

}  // namespace
}  // namespace pebbles::aws

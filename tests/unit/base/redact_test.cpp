#include "base/redact.hpp"

#include <gtest/gtest.h>

namespace pebbles {
namespace {

struct Case {
  std::string text;
  std::string shown;
};

const std::vector<Case> cases{
    {"", ""},
    {"connection refused", "connection refused"},
    {"mongodb://root:hunter2@db:27017/x", "mongodb://***@db:27017/x"},
    {"no servers: 'mongodb+srv://a:b%40c@h/?w=1' (x)", "no servers: 'mongodb+srv://***@h/?w=1' (x)"},
    {"https://token@issuer/keys", "https://***@issuer/keys"},
    {"https://issuer/keys?mail=a@b", "https://issuer/keys?mail=a@b"},
    {"Authorization: Bearer abc.def-_~+/=, x", "Authorization: Bearer ***, x"},
    {"Bearer Bearer abc", "Bearer Bearer ***"},
    {"bearer   abc", "bearer   ***"},
    {"Basic dXNlcjpwYXNz", "Basic ***"},
    {"forbearer abc", "forbearer abc"},
    {"/clients/eyJhbGciOiJIUzI1NiJ9.eyJlbWFpbCI6ImEifQ.c2ln/progress", "/clients/***/progress"},
    {"?access_token=abc&x=1", "?access_token=***&x=1"},
    {"?x=1&X-Amz-Security-Token=a%2Fb", "?x=1&X-Amz-Security-Token=***"},
    {"X-Amz-Signature=00ff&y", "X-Amz-Signature=***&y"},
    {R"({"SecretAccessKey" : "abc", "Token":"d"})", R"({"SecretAccessKey" : "***", "Token":"***"})"},
    {R"(sasl.password=a b)", R"(sasl.password=*** b)"},
    {R"({\"password\":\"abc\"})", R"({\"password\":\"***"})"},
    {"token%3Dabc", "token%3D***"},
    {"JWT_SECRET_FILE=/run/key cannot be read", "JWT_SECRET_FILE=/run/key cannot be read"},
    {"secret_filed=abc", "secret_filed=***"},
    {"the token was refused", "the token was refused"},
    {"token expired: later", "token expired: later"},
    {"no way to verify tokens: set JWT_SECRET", "no way to verify tokens: set JWT_SECRET"},
    {"InvalidClientTokenId: The security token is invalid", "InvalidClientTokenId: The security token is invalid"},
    {"SignatureDoesNotMatch: The request", "SignatureDoesNotMatch: The request"},
    {"no credentials: it was refused", "no credentials: it was refused"},
    {"password: hunter2", "password: ***"},
    {"the client_secret: abc", "the client_secret: ***"},
    {R"("tokens": "abc")", R"("tokens": "***")"},
    {"tokens:abc", "tokens:***"},
    {"Über://пароль@host", "Über://***@host"},
};

TEST(Redact, MasksWhatMayBeSecretAndNothingElse) {
  for (const auto& [text, shown] : cases) EXPECT_EQ(redacted(text), shown) << text;
}

TEST(Redact, KnowsAUrlWithASecret) {
  for (const auto* secret :
       {"mongodb://root:hunter2@db/x", "https://issuer/keys?access_token=abc", "https://a:b@c",
        "mongodb://db/?tlsCertificateKeyFilePassword=x", "mongodb://u@db/?authMechanismProperties=AWS_SESSION_TOKEN:x"})
    EXPECT_TRUE(holds_secret(secret)) << secret;
  for (const auto* plain : {"", "mongodb://root@db/x", "https://issuer/keys?mail=a:b@c", "mongodb://db:27017/x"})
    EXPECT_FALSE(holds_secret(plain)) << plain;
}

}  // namespace
}  // namespace pebbles

#include "auth/token_verifier.hpp"

#include <fmt/core.h>
#include <gtest/gtest.h>

#include "crypto/base64url.hpp"
#include "crypto/sha256.hpp"
#include "support/fake_clock.hpp"

namespace pebbles::auth {
namespace {

using crypto::to_base64url;
using std::chrono::seconds;
using support::FakeClock;
using support::t0;

const std::string secret = "a secret of more than thirty-two bytes";
const std::string other_secret = "another secret of more than 32 bytes!";
constexpr std::int64_t now_s = 1'700'000'000;

const std::string good_header = R"({"alg":"HS256","typ":"JWT"})";

std::string sealed(const std::string& header, const std::string& claims, const std::string& key = secret) {
  auto token = to_base64url(header) + "." + to_base64url(claims);
  const auto mac = crypto::hmac_sha256(key, token);
  return token + "." + to_base64url({reinterpret_cast<const char*>(mac.data()), mac.size()});
}

/// Good claims with `members` behind them.
std::string claims(const std::string& members = "") {
  return fmt::format(R"({{"email":"ann@example.com","exp":{}{}}})", now_s + 60, members);
}
/// A good email and `members`.
std::string email_and(const std::string& members) { return R"({"email":"ann@example.com",)" + members + "}"; }
/// A good `exp` and `members`.
std::string exp_and(const std::string& members) { return fmt::format(R"({{"exp":{},{}}})", now_s + 60, members); }

KeyRing hmac_ring(const std::string& key) { return KeyRing{{.keys = {make_hmac_key(key)}, .algorithms = {}}}; }

struct Verifying : testing::Test {
  FakeClock clock;
  KeyRing ring = hmac_ring(secret);
  TokenVerifier verifier{ring, {}, clock};

  [[nodiscard]] bool accepts(const std::string& token) { return verifier.verify("Bearer " + token).has_value(); }
  [[nodiscard]] TokenFault fault_of(const std::string& authorization) {
    const auto result = verifier.verify(authorization);
    EXPECT_FALSE(result) << authorization.substr(0, 300);
    return result ? TokenFault{255} : result.error();
  }
};

using Verifier = Verifying;

TEST_F(Verifier, AcceptsAGoodTokenAndSaysWho) {
  const auto who = verifier.verify("Bearer " + sealed(good_header, claims()));
  ASSERT_TRUE(who);
  EXPECT_EQ(*(*who)->email, "ann@example.com");
}

// RFC 7515, A.1: header, payload and key as printed there, spaces and line breaks included.
TEST_F(Verifier, KnowsTheStandardsExample) {
  const auto key =
      crypto::from_base64url("AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow");
  const std::string example =
      "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9"
      ".eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
      ".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
  const auto ring_of_the_standard = hmac_ring(*key);
  TokenVerifier standard{ring_of_the_standard, {}, clock};
  clock.advance(seconds{1'300'819'380 - now_s - 1});
  EXPECT_EQ(standard.verify("Bearer " + example).error(), TokenFault::no_email) << "good, but it names no email";
  auto forged = example;
  forged.back() = 'l';  // another canonical last letter
  EXPECT_EQ(standard.verify("Bearer " + forged).error(), TokenFault::invalid);
  clock.advance(seconds{31});
  EXPECT_EQ(standard.verify("Bearer " + example).error(), TokenFault::invalid) << "expired";
}

TEST_F(Verifier, AcceptsWhatItMints) {
  const auto token = mint_token(
      {.hmac_secret = secret, .email = domain::Email{"o\"hara@example.com"}, .client = "krn:acme", .ttl = seconds{60}},
      clock.now());
  const auto who = verifier.verify("Bearer " + token);
  ASSERT_TRUE(who);
  EXPECT_EQ(*(*who)->email, "o\"hara@example.com");
  clock.advance(seconds{90});
  EXPECT_EQ(fault_of("Bearer " + token), TokenFault::invalid);
}

TEST(MintToken, WritesTheseClaims) {
  const auto payload = [](const std::string& token) {
    const auto first = token.find('.') + 1;
    return crypto::from_base64url(token.substr(first, token.rfind('.') - first)).value();
  };
  MintOptions options{.hmac_secret = secret, .email = domain::Email{"a@b.c"}, .client = "", .ttl = seconds{60}};
  EXPECT_EQ(payload(mint_token(options, t0)), R"({"email":"a@b.c","iat":1700000000,"exp":1700000060})");
  options.client = "krn:a";
  EXPECT_EQ(payload(mint_token(options, t0)),
            R"({"email":"a@b.c","client":"krn:a","iat":1700000000,"exp":1700000060})");
}

TEST_F(Verifier, WantsTheSchemeAndOneToken) {
  const auto token = sealed(good_header, claims());
  for (const auto& header : {"Bearer " + token, "bearer " + token, "BEARER " + token, "Bearer   " + token})
    EXPECT_TRUE(verifier.verify(header)) << header;
  for (const auto& header :
       {std::string{}, std::string{"Bearer"}, std::string{"Bearer "}, std::string{"Bearer    "}, token,
        "Bearer" + token, "Basic " + token, "Bear " + token, "Bearers " + token, "Bearer\t" + token,
        "Bearer " + token + " " + token, "Bearer " + token + ", Bearer " + token, "Bearer " + token + ",",
        " Bearer " + token, "Bearer " + token + "\t"})
    EXPECT_EQ(fault_of(header), TokenFault::missing) << header;
}

struct TokenRow {
  std::string name, header, claims;
};
void PrintTo(const TokenRow& row, std::ostream* out) {
  *out << row.name << ": " << row.header.substr(0, 200) << row.claims;
}

struct InvalidToken : Verifying, testing::WithParamInterface<TokenRow> {};

/// Each is signed with the right secret: it is the content that is refused.
TEST_P(InvalidToken, IsRefused) {
  const auto token = "Bearer " + sealed(GetParam().header, GetParam().claims);
  EXPECT_EQ(fault_of(token), TokenFault::invalid);
  EXPECT_EQ(fault_of(token), TokenFault::invalid) << "the second time too";
}

TokenRow header_row(std::string name, std::string header) { return {std::move(name), std::move(header), claims()}; }
TokenRow with_header(std::string name, const std::string& member) {
  return header_row(std::move(name), R"({"alg":"HS256",)" + member + "}");
}
TokenRow claims_row(std::string name, std::string body) { return {std::move(name), good_header, std::move(body)}; }

INSTANTIATE_TEST_SUITE_P(
    Headers, InvalidToken,
    testing::Values(
        header_row("AlgNone", R"({"alg":"none"})"), header_row("AlgNoneMixed", R"({"alg":"nOnE"})"),
        header_row("AlgLowerCase", R"({"alg":"hs256"})"), header_row("AlgOther", R"({"alg":"HS512"})"),
        header_row("AlgRs256", R"({"alg":"RS256"})"), header_row("AlgEs256", R"({"alg":"ES256"})"),
        header_row("AlgMissing", R"({"typ":"JWT"})"), header_row("AlgEmpty", R"({"alg":""})"),
        header_row("AlgNumber", R"({"alg":256})"), header_row("AlgList", R"({"alg":["HS256"]})"),
        header_row("AlgWithNul", R"({"alg":"HS256\u0000"})"),
        header_row("AlgTwice", R"({"alg":"HS256","alg":"HS256"})"),
        header_row("AlgTwiceDiffering", R"({"alg":"none","alg":"HS256"})"), header_row("NotJson", "alg=HS256"),
        header_row("Empty", ""), header_row("EmptyObject", "{}"), header_row("Null", "null"),
        header_row("List", R"([{"alg":"HS256"}])"), header_row("Text", R"("HS256")"),
        header_row("Trailing", good_header + "x"), header_row("NotUtf8", "{\"alg\":\"HS256\",\"x\":\"\xff\"}"),
        header_row("Deep", R"({"alg":"HS256","x":)" + std::string(1000, '[') + std::string(1000, ']') + "}"),
        with_header("Crit", R"("crit":["exp"],"exp":1)"), with_header("CritEmpty", R"("crit":[])"),
        with_header("CritNull", R"("crit":null)"), with_header("B64", R"("b64":false,"crit":["b64"])"),
        with_header("B64Alone", R"("b64":false)"), with_header("B64True", R"("b64":true)"),
        with_header("Zip", R"("zip":"DEF")"), with_header("Enc", R"("enc":"A128GCM")"),
        with_header("Jku", R"("jku":"https://evil.example/keys")"),
        with_header("X5u", R"("x5u":"https://evil.example/x")"),
        with_header("Jwk", R"("jwk":{"kty":"oct","k":"AAAA"})"), with_header("X5c", R"("x5c":["AAAA"])"),
        with_header("KidUnknown", R"("kid":"unknown")"), with_header("KidPath", R"("kid":"../../dev/null")"),
        with_header("KidEmpty", R"("kid":"")"), with_header("KidNumber", R"("kid":1)"),
        with_header("KidTwice", R"("kid":"a","kid":"a")"), with_header("KidNull", R"("kid":null)"),
        with_header("KidLong", R"("kid":")" + std::string(10'000, 'k') + '"')),
    [](const auto& row) { return row.param.name; });

INSTANTIATE_TEST_SUITE_P(
    Claims, InvalidToken,
    testing::Values(
        claims_row("NotJson", "email=ann"), claims_row("Empty", ""), claims_row("Null", "null"),
        claims_row("Text", R"("x")"), claims_row("List", "[" + claims() + "]"),
        claims_row("Truncated", claims().substr(0, 30)), claims_row("Trailing", claims() + claims()),
        claims_row("Bom", "\xef\xbb\xbf" + claims()), claims_row("NotUtf8", claims(",\"x\":\"\xff\"")),
        claims_row("LoneSurrogate", claims(R"(,"x":"\ud800")")),
        claims_row("EmailTwice", claims(R"(,"email":"ann@example.com")")),
        claims_row("EmailTwiceDiffering", claims(R"(,"email":"bob@example.com")")),
        claims_row("EmailTwiceEscaped", claims(R"(,"em\u0061il":"bob@example.com")")),
        claims_row("ExpTwice", claims(R"(,"exp":9999999999)")), claims_row("NbfTwice", claims(R"(,"nbf":1,"nbf":1)")),
        claims_row("IatTwice", claims(R"(,"iat":1,"iat":1)")),
        claims_row("VerifiedTwice", claims(R"(,"email_verified":false,"email_verified":true)")),
        claims_row("ExpMissing", R"({"email":"ann@example.com"})"), claims_row("ExpNull", email_and(R"("exp":null)")),
        claims_row("ExpString", email_and(R"("exp":"1700000060")")), claims_row("ExpTrue", email_and(R"("exp":true)")),
        claims_row("ExpList", email_and(R"("exp":[1700000060])")), claims_row("ExpNegative", email_and(R"("exp":-1)")),
        claims_row("ExpHuge", email_and(R"("exp":1e308)")), claims_row("ExpInfinite", email_and(R"("exp":1e400)")),
        claims_row("ExpMilliseconds", email_and(R"("exp":1700000060000)")),
        claims_row("ExpLargest", email_and(R"("exp":18446744073709551615)")),
        claims_row("ExpLargestSigned", email_and(R"("exp":9223372036854775807)")),
        claims_row("ExpZero", email_and(R"("exp":0)")), claims_row("ExpPast", email_and(R"("exp":1699999970)")),
        claims_row("NbfFuture", claims(R"(,"nbf":1700000031)")), claims_row("NbfString", claims(R"(,"nbf":"1")")),
        claims_row("NbfNull", claims(R"(,"nbf":null)")), claims_row("NbfNegative", claims(R"(,"nbf":-1)")),
        claims_row("NbfHuge", claims(R"(,"nbf":1e308)")), claims_row("IatString", claims(R"(,"iat":"1")")),
        claims_row("IatNull", claims(R"(,"iat":null)")), claims_row("IatObject", claims(R"(,"iat":{})"))),
    [](const auto& row) { return row.param.name; });

struct GoodToken : Verifying, testing::WithParamInterface<TokenRow> {};
TEST_P(GoodToken, IsAccepted) { EXPECT_TRUE(accepts(sealed(GetParam().header, GetParam().claims))); }

INSTANTIATE_TEST_SUITE_P(
    Rows, GoodToken,
    testing::Values(header_row("WithoutTyp", R"({"alg":"HS256"})"),
                    with_header("UnknownParameter", R"("x":{"alg":"none"})"),
                    with_header("OtherTyp", R"("typ":"at+jwt")"), claims_row("Unknown", claims(R"(,"sub":5,"sub":6)")),
                    claims_row("NbfPast", claims(R"(,"nbf":1)")), claims_row("NbfZero", claims(R"(,"nbf":0)")),
                    claims_row("NbfWithinLeeway", claims(R"(,"nbf":1700000030)")),
                    claims_row("ExpWithinLeeway", email_and(R"("exp":1699999971)")),
                    claims_row("ExpFraction", email_and(R"("exp":1700000000.5)")),
                    claims_row("ExpExponent", email_and(R"("exp":1.8e9)")),
                    claims_row("ExpInTheYear9999", email_and(R"("exp":253402300799)")),
                    claims_row("Iat", claims(R"(,"iat":1700000000)")),
                    claims_row("IatFraction", claims(R"(,"iat":1.5)")),
                    claims_row("IatFuture", claims(R"(,"iat":1900000000)")),
                    claims_row("Verified", claims(R"(,"email_verified":true)")),
                    claims_row("VerifiedText", claims(R"(,"email_verified":"true")")),
                    claims_row("VerifiedNull", claims(R"(,"email_verified":null)")),
                    claims_row("Spaces", " { \"exp\" : 1700000060 , \"email\" : \"ann@example.com\" }\n")),
    [](const auto& row) { return row.param.name; });

struct TokenWithoutEmail : Verifying, testing::WithParamInterface<TokenRow> {};
TEST_P(TokenWithoutEmail, IsToldApart) {
  EXPECT_EQ(fault_of("Bearer " + sealed(good_header, GetParam().claims)), TokenFault::no_email);
}

INSTANTIATE_TEST_SUITE_P(Rows, TokenWithoutEmail,
                         testing::Values(claims_row("Missing", exp_and(R"("sub":"x")")),
                                         claims_row("Empty", exp_and(R"("email":"")")),
                                         claims_row("Null", exp_and(R"("email":null)")),
                                         claims_row("Number", exp_and(R"("email":5)")),
                                         claims_row("List", exp_and(R"("email":["ann@example.com"])")),
                                         claims_row("Object", exp_and(R"("email":{"$gt":""})")),
                                         claims_row("NoAt", exp_and(R"("email":"ann")")),
                                         claims_row("TwoAts", exp_and(R"("email":"a@b@c.d")")),
                                         claims_row("Space", exp_and(R"("email":"a b@c.d")")),
                                         claims_row("Control", exp_and(R"("email":"a\u0000@c.d")")),
                                         claims_row("Long", exp_and(R"("email":"a@)" + std::string(320, 'b') + ".c\"")),
                                         claims_row("Unverified", claims(R"(,"email_verified":false)")),
                                         claims_row("UnverifiedText", claims(R"(,"email_verified":"false")")),
                                         claims_row("UnverifiedNumber", claims(R"(,"email_verified":0)"))),
                         [](const auto& row) { return row.param.name; });

TEST_F(Verifier, ATokenWithoutEmailIsInvalidFirstIfItIs) {
  EXPECT_EQ(fault_of("Bearer " + sealed(good_header, R"({"exp":1})")), TokenFault::invalid);
  EXPECT_EQ(fault_of("Bearer " + sealed(good_header, exp_and(R"("x":1)"), other_secret)), TokenFault::invalid);
}

TEST_F(Verifier, RefusesBadForms) {
  const auto token = sealed(good_header, claims());
  const auto first = token.find('.');
  const auto second = token.rfind('.');
  const std::vector<std::string> bad{".",
                                     "..",
                                     "...",
                                     "x",
                                     "a.b",
                                     token.substr(0, second),
                                     token.substr(0, second + 1),
                                     token + ".",
                                     token + "." + token.substr(second + 1),
                                     "." + token,
                                     token.substr(first),
                                     token + "=",
                                     token + "==",
                                     token + "!",
                                     token + "%",
                                     token.substr(0, first) + "=" + token.substr(first),
                                     token.substr(0, first) + "." + token,
                                     token.substr(0, first) + ".." + token.substr(second + 1),
                                     std::string(500, '.'),
                                     "a.b.c.d.e",
                                     token.substr(0, token.size() - 1),
                                     token + "A",
                                     std::string(20UL << 10U, 'x'),
                                     token + "\x01",
                                     token + "\xff"};
  for (const auto& text : bad) EXPECT_EQ(fault_of("Bearer " + text), TokenFault::invalid) << text.substr(0, 300);
}

TEST_F(Verifier, OneTokenHasOneSpelling) {
  const auto token = sealed(good_header, claims());
  ASSERT_TRUE(accepts(token));  // so that it is known
  constexpr std::string_view letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  auto other = token;
  for (const char last : letters) {
    other.back() = last;
    EXPECT_EQ(accepts(other), other == token) << last;
  }
}

TEST_F(Verifier, EveryChangedLetterIsNoticed) {
  const auto token = sealed(good_header, claims());
  for (std::size_t i = 0; i < token.size(); ++i) {
    if (token[i] == '.') continue;
    auto changed = token;
    changed[i] = changed[i] == 'A' ? 'B' : 'A';
    EXPECT_FALSE(accepts(changed)) << i;
  }
  EXPECT_TRUE(accepts(token));
}

TEST_F(Verifier, RefusesAnotherSecret) {
  EXPECT_FALSE(accepts(sealed(good_header, claims(), other_secret)));
  EXPECT_FALSE(accepts(sealed(good_header, claims(), "")));
}

TEST_F(Verifier, SizeIsBounded) {
  const auto of_size = [](std::size_t filling) {
    return sealed(good_header, claims(R"(,"x":")" + std::string(filling, 'x') + '"'));
  };
  std::size_t filling = 12'000;
  while (of_size(filling + 1).size() <= 16UL << 10U) ++filling;
  EXPECT_TRUE(accepts(of_size(filling)));
  EXPECT_FALSE(accepts(of_size(filling + 3)));
}

TEST_F(Verifier, KnownTokensDieWithTheClock) {
  const auto token = sealed(good_header, claims());  // exp is 60 s ahead, the leeway 30 s
  EXPECT_TRUE(accepts(token));
  clock.advance(seconds{89});
  EXPECT_TRUE(accepts(token));
  clock.advance(std::chrono::milliseconds{999});
  EXPECT_TRUE(accepts(token));
  clock.advance(std::chrono::milliseconds{1});
  EXPECT_FALSE(accepts(token));
  EXPECT_FALSE(accepts(token));
  clock.advance(seconds{-90});
  EXPECT_TRUE(accepts(token)) << "the clock was set back, and tokens are judged by the new time";
}

TEST_F(Verifier, KnownTokensAreNotValidEarlyEither) {
  const auto token = sealed(good_header, claims(R"(,"nbf":1700000000)"));
  EXPECT_TRUE(accepts(token));
  clock.advance(seconds{-31});
  EXPECT_FALSE(accepts(token));
  clock.advance(seconds{1});
  EXPECT_TRUE(accepts(token));
}

TEST_F(Verifier, LeewayIsConfigurable) {
  TokenVerifier strict{ring, {.claims = {}, .leeway = seconds{0}}, clock};
  const auto token = "Bearer " + sealed(good_header, claims());
  clock.advance(std::chrono::milliseconds{59'999});
  EXPECT_TRUE(strict.verify(token));
  clock.advance(std::chrono::milliseconds{1});
  EXPECT_FALSE(strict.verify(token));
}

TEST_F(Verifier, ManyTokensOfManyPeopleAreToldApart) {
  TokenVerifier small{ring, {.claims = {}, .cache_entries_max = 8}, clock};
  for (int round = 0; round < 2; ++round) {
    for (int i = 0; i < 100; ++i) {
      const auto email = fmt::format("{}@example.com", i);
      const auto token = sealed(good_header, exp_and(fmt::format(R"("email":"{}")", email)));
      for (int again = 0; again < 2; ++again) {
        const auto who = small.verify("Bearer " + token);
        ASSERT_TRUE(who);
        EXPECT_EQ(*(*who)->email, email);
      }
      EXPECT_FALSE(small.verify("Bearer " + token + "A"));
    }
  }
}

TEST(VerifierDeathTest, AShortSecretIsABug) {
  const FakeClock clock;
  EXPECT_DEATH((void)make_hmac_key(std::string(31, 's')), "short secret");
}

}  // namespace
}  // namespace pebbles::auth

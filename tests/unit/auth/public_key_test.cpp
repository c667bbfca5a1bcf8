#include "auth/public_key.hpp"

#include <gtest/gtest.h>

#include "auth/jwks.hpp"
#include "crypto/base64url.hpp"

namespace pebbles::auth {
namespace {

/// A JWS and its key as a standard prints them.
struct Vector {
  std::string name;
  std::string algorithm;
  std::string jwk;
  std::string signed_text;
  std::string signature;
};
void PrintTo(const Vector& vector, std::ostream* out) { *out << vector.name; }

const std::vector<Vector> vectors{
    {"Rfc7515A2", "RS256",
     R"({"kty":"RSA","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ","e":"AQAB"})",
     "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0c"
     "nVlfQ",
     "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7"
     "t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12"
     "jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUP"
     "QGe77Rw"},
    {"Rfc7515A3", "ES256",
     R"({"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"})",
     "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0c"
     "nVlfQ",
     "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"},
    {"Rfc8037A4", "EdDSA", R"({"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})",
     "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc",
     "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"},
};

struct Standard : testing::TestWithParam<Vector> {};

TEST_P(Standard, Verifies) {
  const auto set = read_jwks(GetParam().jwk);
  ASSERT_TRUE(set) << set.error().detail;
  const auto& key = *set->keys.front();
  const auto signature = crypto::from_base64url(GetParam().signature).value();
  EXPECT_TRUE(key.verifies(GetParam().algorithm, GetParam().signed_text, signature));
  EXPECT_FALSE(key.verifies(GetParam().algorithm, GetParam().signed_text + "x", signature));
  for (const std::size_t at : {std::size_t{0}, signature.size() / 2, signature.size() - 1}) {
    auto other = signature;
    other[at] = static_cast<char>(other[at] ^ 1);
    EXPECT_FALSE(key.verifies(GetParam().algorithm, GetParam().signed_text, other)) << at;
  }
  for (const auto& other : {signature + '\0', '\0' + signature, signature.substr(1), std::string{}})
    EXPECT_FALSE(key.verifies(GetParam().algorithm, GetParam().signed_text, other));
  for (const auto algorithm : {"RS256", "RS384", "PS256", "ES256", "ES384", "EdDSA", "HS256", "none", ""})
    if (algorithm != GetParam().algorithm) {
      EXPECT_FALSE(key.verifies(algorithm, GetParam().signed_text, signature)) << algorithm;
    }
}

INSTANTIATE_TEST_SUITE_P(Vectors, Standard, testing::ValuesIn(vectors), [](const auto& row) { return row.param.name; });

std::string with(std::size_t vector, const std::string& members) {
  auto jwk = vectors[vector].jwk;
  return jwk.replace(jwk.size() - 1, 1, "," + members + "}");
}
std::string set_of(const std::string& keys) { return R"({"keys":[)" + keys + "]}"; }

TEST(Jwks, KeysHaveTheirNamesAndAlgorithms) {
  const auto set = read_jwks(set_of(with(0, R"("kid":"r","alg":"RS384","use":"sig","key_ops":["verify"])") + "," +
                                    with(1, R"("kid":"e")") + "," + vectors[2].jwk))
                       .value();
  EXPECT_TRUE(set.skipped.empty());
  const KeySet keys{.keys = set.keys, .algorithms = {}};
  EXPECT_EQ(keys.find("RS384", "r"), set.keys[0].get());
  EXPECT_EQ(keys.find("RS256", "r"), nullptr) << "its own alg narrows it";
  EXPECT_EQ(keys.find("ES256", "e"), set.keys[1].get());
  EXPECT_EQ(keys.find("ES256", "r"), nullptr);
  EXPECT_EQ(keys.find("ES256", std::nullopt), set.keys[1].get());
  EXPECT_EQ(keys.find("EdDSA", "x"), nullptr) << "a key without a name serves no name";
  EXPECT_EQ(keys.find("Ed25519", std::nullopt), set.keys[2].get());
  EXPECT_EQ((KeySet{.keys = set.keys, .algorithms = {"EdDSA"}}.find("ES256", "e")), nullptr);
  EXPECT_FALSE(read_jwks(with(1, R"("kid":"f")"))->keys[0]->fingerprint() == set.keys[1]->fingerprint());
  EXPECT_TRUE(read_jwks(with(1, R"("kid":"e")"))->keys[0]->fingerprint() == set.keys[1]->fingerprint());
}

TEST(Jwks, OfTwoKeysThatServeATokenWithoutANameNeitherIsMeant) {
  const auto set = read_jwks(set_of(with(1, R"("kid":"a")") + "," + with(1, R"("kid":"b")"))).value();
  const KeySet keys{.keys = set.keys, .algorithms = {}};
  EXPECT_EQ(keys.find("ES256", std::nullopt), nullptr);
  EXPECT_NE(keys.find("ES256", "b"), nullptr);
}

TEST(Jwks, LeavesOutWhatMustNotBeUsed) {
  const std::string good = with(2, R"("kid":"good")");
  for (const auto& bad :
       {with(0, R"("use":"enc")"), with(0, R"("use":7)"), with(0, R"("key_ops":["sign"])"),
        with(0, R"("key_ops":"verify")"), with(0, R"("alg":"ES256")"), with(0, R"("alg":"HS256")"),
        with(0, R"("alg":"none")"), with(0, R"("d":"AQAB")"), with(0, R"("kid":"")"), with(0, R"("kid":7)"),
        with(0, R"("kid":")" + std::string(257, 'k') + "\""), std::string{R"({"kty":"oct","k":"AAAA"})"},
        std::string{R"({"kty":"RSA"})"}, std::string{"{}"}, std::string{R"({"kty":"RSA","n":"AQAB","e":"AQAB"})"},
        std::string{R"({"kty":"OKP","crv":"X25519","x":"AA"})"},
        std::string{R"({"kty":"EC","crv":"P-256","x":"AA","y":"AA"})"}, with(2, R"("kid":"good")")}) {
    const auto set = read_jwks(set_of(good + "," + bad));
    ASSERT_TRUE(set) << bad;
    EXPECT_EQ(set->keys.size(), 1U) << bad;
    EXPECT_EQ(set->skipped.size(), 1U) << bad;
  }
}

TEST(Jwks, IsNoneWithoutAUsableKey) {
  std::string many;
  for (int i = 0; i < 101; ++i) many += (i == 0 ? "" : ",") + with(2, R"("kid":")" + std::to_string(i) + "\"");
  for (const auto& text : {std::string{}, std::string{"[]"}, std::string{"null"}, std::string{"{}"}, set_of(""),
                           std::string{R"({"keys":{}})"}, set_of("1"), set_of(R"({"kty":"oct","k":"AAAA"})"),
                           set_of(many), std::string{"{\"keys\":[\xff]}"}})
    EXPECT_FALSE(read_jwks(text)) << text.substr(0, 100);
}

TEST(Pem, HoldsPublicKeysOnly) {
  // RFC 8410, section 10.1.
  const std::string ed25519 =
      "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC "
      "KEY-----\n";
  // RFC 8410, section 10.3.
  const std::string private_key =
      "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n"
      "-----END PRIVATE KEY-----\n";
  const auto keys = keys_of_pem("a comment\n" + ed25519 + ed25519);
  ASSERT_TRUE(keys) << keys.error().detail;
  EXPECT_EQ(keys->size(), 2U);
  EXPECT_TRUE(keys->front()->serves("EdDSA"));
  for (const auto& text : {std::string{}, std::string{"hello"}, private_key, ed25519 + private_key,
                           ed25519.substr(0, 40) + "\n-----END PUBLIC KEY-----\n"})
    EXPECT_FALSE(keys_of_pem(text)) << text;
}

}  // namespace
}  // namespace pebbles::auth

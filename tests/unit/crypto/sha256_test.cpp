#include "crypto/sha256.hpp"

#include <gtest/gtest.h>

#include "base/hex.hpp"

namespace pebbles::crypto {
namespace {

// FIPS 180-4's examples, as NIST publishes them.
TEST(Sha256, FollowsTheStandardsExamples) {
  EXPECT_EQ(to_hex(sha256("")), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(to_hex(sha256("abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(to_hex(sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(to_hex(sha256(std::string(1'000'000, 'a'))),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256, PartsAreConcatenated) {
  EXPECT_EQ(sha256({"a", "", "bc"}), sha256("abc"));
  EXPECT_EQ(sha256({}), sha256(""));
}

TEST(Sha256, TheShortOneIsItsFirstHalf) {
  EXPECT_EQ(to_hex(short_sha256({"ab", "c"})), "ba7816bf8f01cfea414140de5dae2223");
}

struct HmacRow {
  std::string key, text, mac;
};

class HmacSha256 : public testing::TestWithParam<HmacRow> {};

TEST_P(HmacSha256, FollowsRfc4231) { EXPECT_EQ(to_hex(hmac_sha256(GetParam().key, GetParam().text)), GetParam().mac); }

INSTANTIATE_TEST_SUITE_P(Rows, HmacSha256,
                         testing::Values(HmacRow{std::string(20, '\x0b'), "Hi There",
                                                 "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
                                         HmacRow{"Jefe", "what do ya want for nothing?",
                                                 "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
                                         HmacRow{std::string(20, '\xaa'), std::string(50, '\xdd'),
                                                 "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"},
                                         HmacRow{std::string(131, '\xaa'),
                                                 "Test Using Larger Than Block-Size Key - Hash Key First",
                                                 "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"}));

TEST(ConstantTime, ComparesContentAndLength) {
  const auto a = sha256("a");
  auto b = a;
  EXPECT_TRUE(equal_in_constant_time(a, b));
  b.back() ^= 1U;
  EXPECT_FALSE(equal_in_constant_time(a, b));
  EXPECT_FALSE(equal_in_constant_time(a, std::span{a}.first(31)));
  EXPECT_FALSE(equal_in_constant_time(a, {}));
  EXPECT_TRUE(equal_in_constant_time({}, {}));
}

TEST(Random, DiffersFromCallToCall) {
  Sha256Digest a{}, b{};
  fill_random(a);
  fill_random(b);
  EXPECT_NE(a, b);
}

}  // namespace
}  // namespace pebbles::crypto

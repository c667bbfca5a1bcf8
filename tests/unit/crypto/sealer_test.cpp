#include "crypto/sealer.hpp"

#include <gtest/gtest.h>

#include <numeric>
#include <set>

#include "base/hex.hpp"

namespace pebbles::crypto {
namespace {

Sealer::Key a_key() {
  Sealer::Key out;
  std::iota(out.begin(), out.end(), std::uint8_t{0});
  return out;
}

std::string hex_of(std::string_view bytes) {
  return to_hex({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
}

// Computed with Python's hmac and `openssl enc -aes-256-ctr`.
TEST(Sealer, IsHmacSha256AndAes256Ctr) {
  const Sealer sealer{a_key()};
  const auto sealed = sealer.seal("context", "a text of more than sixteen bytes");
  EXPECT_EQ(hex_of(sealed),
            "cb1624b953b366e56a7d12fd9b40a712468b52db19b2d77abbefae4f8048743197a184ea4764f5a3e5de77ec3da76a7d75");
  EXPECT_EQ(sealer.open("context", sealed), "a text of more than sixteen bytes");
}

TEST(Sealer, OpensWhatItSealedAndNothingElse) {
  const Sealer sealer{a_key()};
  auto another_key = a_key();
  another_key.back() ^= 1U;
  const Sealer another{another_key};
  for (const std::string text : {"", "x", "sixteen bytes...", "more than sixteen bytes"}) {
    const auto sealed = sealer.seal("context", text);
    ASSERT_EQ(sealed.size(), text.size() + Sealer::tag_bytes);
    EXPECT_EQ(sealer.open("context", sealed), text);
    EXPECT_FALSE(another.open("context", sealed));
    for (const std::string other : {"", "contex", "contextx", "Context"}) EXPECT_FALSE(sealer.open(other, sealed));
    for (std::size_t size = 0; size < sealed.size(); ++size)
      EXPECT_FALSE(sealer.open("context", std::string_view{sealed}.substr(0, size)));
    EXPECT_FALSE(sealer.open("context", sealed + '\0'));
    for (std::size_t bit = 0; bit < 8 * sealed.size(); ++bit) {
      auto changed = sealed;
      changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ 1 << bit % 8);
      EXPECT_FALSE(sealer.open("context", changed)) << bit;
    }
  }
  EXPECT_FALSE(sealer.open("contex", sealer.seal("context", "")));
  EXPECT_FALSE(sealer.open("context", sealer.seal("contex", "t")));  // the parts do not run into each other
}

TEST(Sealer, ShowsNothingOfTheText) {
  const Sealer sealer{a_key()};
  EXPECT_EQ(sealer.seal("a", "text"), sealer.seal("a", "text"));
  std::set<std::string> encrypted;
  for (char c = 0; c < 100; ++c)
    encrypted.insert(sealer.seal("a", std::string(7, '\0') + c).substr(Sealer::tag_bytes, 7));
  EXPECT_EQ(encrypted.size(), 100U) << "neighbours have nothing in common";
}

}  // namespace
}  // namespace pebbles::crypto

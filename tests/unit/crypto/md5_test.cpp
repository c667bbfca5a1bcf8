#include "crypto/md5.hpp"

#include <gtest/gtest.h>

#include "base/hex.hpp"

namespace pebbles::crypto {
namespace {

TEST(Md5, HasTheDigestsOfItsRfc) {  // RFC 1321, appendix A.5
  EXPECT_EQ(to_hex(md5("")), "d41d8cd98f00b204e9800998ecf8427e");
  EXPECT_EQ(to_hex(md5("abc")), "900150983cd24fb0d6963f7d28e17f72");
  EXPECT_EQ(to_hex(md5("message digest")), "f96b697d7cb7938d525a2f31aaf161d0");
}

}  // namespace
}  // namespace pebbles::crypto

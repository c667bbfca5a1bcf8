// Boost.Beast's own code, compiled once for all of Pebbles (BOOST_BEAST_SEPARATE_COMPILATION). Its assertions are off:
// in 1.81 the last chunk of a body ("0\r\n", then one more byte) trips one of them although what follows is right, and
// no byte from outside may end the process.
#define BOOST_DISABLE_ASSERTS
#include <boost/assert.hpp>
//
#include <boost/beast/src.hpp>

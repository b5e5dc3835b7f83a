package jwks

import "math/big"

// rocaPrimes are the small odd primes by which a modulus of the Infineon library (CVE-2017-15361)
// is known. Each of its prime factors is k·M + (65537^a mod M), where M is a product of small
// primes. So the modulus itself is a power of 65537 modulo each of them.
var rocaPrimes = [...]uint64{
	3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103, 107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
}

// isROCA reports whether n bears that mark (Nemec et al., "The Return of Coppersmith's Attack", CCS
// 2017, §3.2). One modulus in about 2^27 bears it by chance.
func isROCA(n *big.Int) bool {
	var rest, prime big.Int
	for _, p := range rocaPrimes {
		if !isPowerOf65537(rest.Mod(n, prime.SetUint64(p)).Uint64(), p) {
			return false
		}
	}
	return true
}

func isPowerOf65537(x, p uint64) bool {
	for power := uint64(1); ; {
		if power == x {
			return true
		}
		if power = power * (65537 % p) % p; power == 1 {
			return false
		}
	}
}

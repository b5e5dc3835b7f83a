package jose

import (
	"strconv"
	"time"
)

// maxNumericDate is the last second that a NumericDate may name: the largest integer that every
// JSON reader agrees on (RFC 7493 §2.2).
const maxNumericDate = 1 << 53

// A NumericDate is a NumericDate (RFC 7519 §2): seconds since the epoch, possibly with a fraction.
type NumericDate struct {
	Sec, Nsec int64
	Given     bool
}

// Time returns the date as a time, and the zero time when it was not given.
func (d NumericDate) Time() time.Time {
	if !d.Given {
		return time.Time{}
	}
	return time.Unix(d.Sec, d.Nsec)
}

// NumericDateOf returns the NumericDate v of doc.
func NumericDateOf(doc string, v Value) (NumericDate, error) {
	if v.Kind != '0' {
		return NumericDate{}, ErrWrongType
	}
	text := doc[v.Start:v.End]
	if len(text) > maxNumber { // check: numeric-date-length
		return NumericDate{}, ErrBounds
	}
	if sec, err := strconv.ParseInt(text, 10, 64); err == nil {
		if sec > maxNumericDate || sec < -maxNumericDate { // check: numeric-date-range
			return NumericDate{}, ErrBounds
		}
		return NumericDate{Sec: sec, Given: true}, nil
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || f > maxNumericDate || f < -maxNumericDate { // check: numeric-date-float
		return NumericDate{}, ErrBounds
	}
	sec := int64(f)
	return NumericDate{Sec: sec, Nsec: int64((f - float64(sec)) * 1e9), Given: true}, nil
}

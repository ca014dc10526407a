package sessiontest

import (
	"strconv"
	"strings"
	"time"
)

// parseCookieDate reads a date as browsers do: it looks for a time, a day, a month and
// a year among whatever else stands there (RFC 6265bis 5.1.1).
func parseCookieDate(s string) (time.Time, bool) {
	var hour, minute, second, day, month, year int
	var hasTime, hasDay, hasMonth, hasYear bool
	for _, token := range strings.FieldsFunc(s, isDateDelimiter) {
		if !hasTime {
			if hour, minute, second, hasTime = parseTime(token); hasTime {
				continue
			}
		}
		if !hasDay {
			if day, hasDay = leadingNumber(token, 1, 2); hasDay {
				continue
			}
		}
		if !hasMonth {
			if month, hasMonth = parseMonth(token); hasMonth {
				continue
			}
		}
		if !hasYear {
			year, hasYear = leadingNumber(token, 2, 4)
		}
	}
	switch {
	case year >= 70 && year <= 99:
		year += 1900
	case year >= 0 && year <= 69:
		year += 2000
	}
	if !hasTime || !hasDay || !hasMonth || !hasYear ||
		day < 1 || day > 31 || year < 1601 || hour > 23 || minute > 59 || second > 59 {
		return time.Time{}, false
	}
	at := time.Date(year, time.Month(month), day, hour, minute, second, 0, time.UTC)
	return at, at.Day() == day // there is no 30th of February
}

func isDateDelimiter(r rune) bool {
	return r == '\t' || r >= ' ' && r <= '/' || r >= ';' && r <= '@' || r >= '[' && r <= '`' || r >= '{' && r <= '~'
}

func parseTime(token string) (hour, minute, second int, ok bool) {
	parts := strings.SplitN(token, ":", 3)
	if len(parts) != 3 {
		return 0, 0, 0, false
	}
	var okHour, okMinute bool
	hour, okHour = number(parts[0], 1, 2)
	minute, okMinute = number(parts[1], 1, 2)
	second, ok = leadingNumber(parts[2], 1, 2)
	return hour, minute, second, ok && okHour && okMinute
}

func parseMonth(token string) (int, bool) {
	if len(token) < 3 {
		return 0, false
	}
	i := strings.Index("janfebmaraprmayjunjulaugsepoctnovdec", strings.ToLower(token[:3]))
	return i/3 + 1, i >= 0 && i%3 == 0
}

// leadingNumber reads the digits at the beginning of a token, of which there must be
// so many.
func leadingNumber(token string, least, most int) (int, bool) {
	end := strings.IndexFunc(token, func(r rune) bool { return r < '0' || r > '9' })
	if end < 0 {
		end = len(token)
	}
	return number(token[:end], least, most)
}

func number(digits string, least, most int) (int, bool) {
	if len(digits) < least || len(digits) > most || strings.Trim(digits, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.Atoi(digits)
	return n, err == nil
}

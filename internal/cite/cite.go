// Package cite says where the statement of a row of the conformance matrix comes from, for the
// messages of the test kits: their readers know the RFC, and not our rows.
package cite

// sources are those of the rows that the test kits ask for. Rows of our own are Bearward's
// promises.
var sources = map[string]string{
	"AT-04": "RFC 9068 §4",
	"AT-05": "RFC 9068 §4",
	"AT-06": "RFC 8725bis §3.11",
	"AT-07": "RFC 9068 §4",
	"AT-09": "RFC 9068 §4",
	"AT-10": "RFC 9068 §4",
	"AT-11": "RFC 9068 §4",
	"AT-14": "RFC 9068 §4",
	"AT-15": "RFC 9068 §2.2, §4",
	"AT-16": "RFC 7519 §4.1.3",
	"AT-17": "Bearward",
	"AT-18": "RFC 9068 §4",
	"AT-19": "RFC 9068 §2.2",
	"AT-20": "RFC 7519 §2",
	"AT-22": "RFC 7519 §4.1.5",
	"AT-23": "RFC 9068 §2.2",
	"AT-24": "Bearward",
	"AT-25": "Bearward",
	"AT-26": "RFC 9068 §2.2",
	"AT-27": "RFC 9068 §2.2",
	"AT-28": "RFC 9068 §2.2",
	"AT-30": "Bearward",
	"AT-34": "RFC 6749 §3.3",
	"AT-38": "RFC 9068 §4",
	"AT-40": "RFC 7519 §4",
	"AT-42": "Bearward",
	"AT-43": "RFC 9068 §2.1",
	"B-01":  "RFC 6750 §2.1",
	"B-04":  "RFC 6750 §3.1",
	"B-08":  "RFC 6750 §3.1",
	"B-11":  "RFC 6750 §2.3",
	"B-13":  "RFC 6750 §3",
	"B-14":  "RFC 6750 §3.1",
	"B-15":  "RFC 6750 §3.1",
	"B-24":  "RFC 6750 §3.1",
	"B-25":  "RFC 6750 §3.1",
	"B-36":  "RFC 6750 §3",
	"D-01":  "RFC 9449 §7.1",
	"D-02":  "RFC 9449 §7.1",
	"D-03":  "RFC 9449 §4.3(1)",
	"D-19":  "RFC 9449 §4.3(12), §6",
	"D-21":  "RFC 9449 §7.2",
	"D-34":  "RFC 9449 §11.1",
	"D-43":  "RFC 9449 §7.2",
	"G-04":  "Bearward",
	"G-07":  "AIP-193",
	"G-09":  "gRPC auth guide",
	"G-10":  "Bearward",
	"G-11":  "Bearward",
	"G-13":  "Bearward",
	"G-15":  "Bearward",
	"G-16":  "Bearward",
	"G-17":  "Bearward",
	"J-02":  "RFC 8725bis §3.1",
	"J-03":  "RFC 8725bis §2.11, §3.1",
	"J-04":  "RFC 8725 §2.1",
	"J-05":  "RFC 8725bis §3.1",
	"J-12":  "RFC 7518 §3.4",
	"J-17":  "RFC 7515 §4.1.11",
	"J-18":  "RFC 7797 §7",
	"J-20":  "RFC 8725bis §3.10",
	"J-21":  "RFC 7515 §4.1.4",
	"J-24":  "RFC 8725bis §2.13, §3.14",
	"J-25":  "RFC 8725bis §3.14",
	"J-26":  "RFC 4648 §3.5",
	"J-27":  "RFC 8725bis §3.7",
	"J-28":  "RFC 7519 §7.2",
	"J-29":  "Bearward",
	"K-11":  "Bearward",
	"M-01":  "RFC 8705 §3",
	"M-02":  "RFC 8705 §3",
	"M-03":  "RFC 8705 §3",
	"M-09":  "Bearward",
	"O-02":  "Bearward",
	"O-07":  "Bearward",
	"O-08":  "Bearward",
	"O-11":  "Bearward",
	"S-03":  "RFC 9700 §2.2.1",
	"RA-03": "RFC 9396 §9",
	"S-06":  "RFC 9700 §4.10.1",
	"S-07":  "OURS (oauth4webapi)",
	"S-09":  "RFC 9700 §4.13",
	"S-10":  "RFC 9700 §4.13",
	"SU-01": "RFC 9470 §3",
	"W-05":  "Bearward",
	"W-06":  "Bearward",
	"W-26":  "Bearward",
}

// Row returns the source of the row with its ID behind it, such as "RFC 9068 §4 (AT-18)". It panics
// for a row that no test kit asks for.
func Row(id string) string {
	source := sources[id]
	if source == "" {
		panic("cite: no source of row " + id)
	}
	return source + " (" + id + ")"
}

// Rows returns the sources by row, for the test that compares them with the matrix.
func Rows() map[string]string { return sources }

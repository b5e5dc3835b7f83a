package cite

// defects are the rows that a bad token breaks, by the name of its defect in authtest. What is not
// here is a token that is invalid otherwise.
var defects = map[string]string{
	"TooLarge": "AT-42", "Dots": "J-24", "TwoParts": "J-24", "EmptySignature": "AT-09", "AlgNone": "AT-07", "EncryptedForm": "AT-30",
	"JSONSerialization": "J-24", "PaddedBase64": "J-25", "StandardBase64": "J-25", "NonCanonicalBase64": "J-26",
	"HeaderNotJSON": "J-28", "HeaderArray": "J-28", "HeaderNotUTF8": "J-27", "DuplicateHeader": "AT-40", "NumericKid": "J-21", "LongKid": "J-20",
	"NoAlgorithm": "AT-09", "AlgNoneSigned": "AT-07", "AlgNoneVariant": "J-03", "HMACWithPublicKey": "J-04", "AlgorithmLowerCase": "J-03", "UnknownAlgorithm": "J-02",
	"CritHeader": "J-17", "B64False": "J-18", "WrongType": "AT-05", "NoType": "AT-04", "EmptyType": "AT-04", "DPoPProof": "AT-06", "LogoutToken": "AT-06",
	"ClaimsArray": "J-28", "DuplicateClaim": "AT-40", "NestedDuplicate": "AT-40", "NotUTF8": "J-27", "TrailingData": "J-28", "DeeplyNested": "J-29",
	"NoIssuer": "AT-11", "IssuerNotString": "AT-11", "WrongIssuer": "AT-10", "IssuerTrailingSlash": "AT-10",
	"NoAudience": "AT-15", "EmptyAudience": "AT-15", "AudienceNotString": "AT-16", "WrongAudience": "AT-14", "AudiencePrefix": "AT-17",
	"SubjectNotString": "AT-26", "NoExpiry": "AT-19", "ZeroExpiry": "AT-18", "ExpiryNotNumber": "AT-20", "ExpiryTooLarge": "AT-20", "Expired": "AT-18", "CaseVariantExpiry": "AT-18",
	"WrongAlgorithm": "J-05", "WrongKey": "AT-38", "BadSignature": "AT-09", "Truncated": "AT-09", "TamperedClaims": "AT-09", "DERSignature": "J-12",
	"NotYetValid": "AT-22", "NotBeforeNotNumber": "AT-22", "IssuedInFuture": "AT-24", "TooOld": "AT-25", "LongLived": "AT-25",
	"NoSubject": "AT-26", "EmptySubject": "AT-26", "NoClientID": "AT-27", "NoTokenID": "AT-28", "NoIssuedAt": "AT-23",
	"ScopeArray": "AT-34", "ScopeNotScope": "AT-34", "IDToken": "AT-43", "SenderConstrained": "S-06", "UnknownBinding": "S-07", "EmptyBinding": "S-07", "NullBinding": "S-07",
}

// Defect returns the row that a token with the defect breaks.
func Defect(name string) string {
	if row := defects[name]; row != "" {
		return row
	}
	return "B-24"
}

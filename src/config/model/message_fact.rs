//! What rules of content can ask about a message as a whole: numbers, most of them 0 or 1.

macro_rules! facts {
    ($($variant:ident $name:literal $doc:literal)*) => {
        /// One number that is known of every message.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum MessageFact {
            $(#[doc = $doc] $variant,)*
        }

        impl MessageFact {
            /// All of them.
            pub const EACH: &'static [Self] = &[$(Self::$variant,)*];

            /// Its word in rules.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// What it says.
            #[must_use]
            pub fn doc(self) -> &'static str {
                match self { $(Self::$variant => $doc,)* }
            }
        }
    };
}

facts! {
    Octets "octets" "octets of the message"
    Received "received" "Received fields"
    Inbound "inbound" "came by an inbound listener"
    Outbound "outbound" "came by an outbound listener"
    Tls "tls" "the client used TLS"
    Authenticated "authenticated" "the client authenticated"
    NullSender "null-sender" "the envelope sender is <>"
    NoReverseName "no-reverse-name" "the client has no forward-confirmed reverse name"
    Recipients "recipients" "envelope recipients"
    ShownRecipients "shown-recipients" "addresses in To and Cc"
    RecipientNotShown "recipient-not-shown" "no envelope recipient stands in To or Cc"
    FromMailboxes "from-mailboxes" "mailboxes in From"
    FromIsRecipient "from-is-recipient" "From is one of the recipients"
    FromOurs "from-ours" "From has the domain of a recipient"
    FromDigits "from-digits" "digits in the local part of From"
    FromNameAddress "from-name-address" "the name in From shows an address or host of another domain"
    FromNameOurs "from-name-ours" "the name in From shows the domain of a recipient, which its address has not"
    FromNameOdd "from-name-odd" "the name in From has letters that look like others, or invisible ones"
    SenderForeign "sender-foreign" "the envelope sender's domain is another than that of From"
    ReplyToForeign "reply-to-foreign" "Reply-To has another domain than From"
    MessageIdForeign "message-id-foreign" "Message-ID has another domain than From and the envelope sender"
    MessageIdBad "message-id-bad" "Message-ID is not of the form <x@y>"
    DateBad "date-bad" "Date is there and does not parse"
    DateAhead "date-ahead" "hours that Date is ahead of the newest Received"
    DateBehind "date-behind" "hours that Date is behind the newest Received"
    List "list" "has List-Id, List-Unsubscribe or List-Post"
    Reply "reply" "refers to an earlier message and its subject says so"
    FakeReply "fake-reply" "the subject says Re: or Fwd:, and no field refers to an earlier message"
    SubjectCapitals "subject-capitals" "percent of capitals among the letters of a subject with at least 8"
    SubjectEmpty "subject-empty" "there is no subject, or nothing in it"
    SubjectGap "subject-gap" "five or more blanks in a row inside the subject"
    SubjectOdd "subject-odd" "words of the subject with letters that look like others, or invisible ones"
    SubjectRecipient "subject-recipient" "the subject shows a recipient's address or local part"
    Header8bit "header-8bit" "fields with octets that are not ASCII and not encoded"
    Parts "parts" "parts that hold no parts"
    Attachments "attachments" "parts that are attachments"
    HtmlAttachments "html-attachments" "attachments that are HTML or SVG"
    Plain "plain" "has a text/plain part"
    Html "html" "has a text/html part"
    HtmlOnly "html-only" "has HTML and no plain text"
    Words "words" "words that a reader sees"
    Letters "letters" "letters that a reader sees"
    Capitals "capitals" "percent of capitals among them, where there are at least 100"
    Exclamations "exclamations" "exclamation marks in the text"
    Invisible "invisible" "invisible characters in the text"
    StyledLetters "styled-letters" "mathematical or full-width letters that stand for plain ones"
    MixedScripts "mixed-scripts" "words that mix Latin with Cyrillic or Greek letters"
    TextRecipient "text-recipient" "the text shows a recipient's address"
    PlainDiffers "plain-differs" "percent of the words of the plain text that the HTML has not"
    HiddenText "hidden-text" "letters of HTML that a reader does not see"
    Images "images" "images in the HTML"
    RemoteImages "remote-images" "of these, fetched from a server"
    Forms "forms" "forms in the HTML"
    PasswordFields "password-fields" "fields of forms that ask for a password"
    Scripts "scripts" "scripts in the HTML"
    Frames "frames" "frames and embedded objects in the HTML"
    Handlers "handlers" "event handlers in the HTML"
    Refreshes "refreshes" "HTML that leads elsewhere by itself"
    BaseHref "base-href" "HTML that sets a base address"
    DataUrls "data-urls" "addresses that carry their content"
    Comments "comments" "comments inside of the text of HTML"
    Tables "tables" "tables in the HTML"
    Fonts "fonts" "font tags in the HTML"
    Urls "urls" "different addresses of the web"
    Links "links" "links that a reader can follow"
    UrlDomains "url-domains" "registered domains of these"
    UrlForeign "url-foreign" "of these, other than that of From"
    UrlOwn "url-own" "links to the domain of From"
    UrlIp "url-ip" "hosts that are addresses"
    UrlNumeric "url-numeric" "hosts that are addresses in an odd form: one number, octal, hexadecimal"
    UrlPort "url-port" "addresses with an unusual port"
    UrlUser "url-user" "addresses with a user name"
    UrlIdn "url-idn" "hosts with letters beyond ASCII"
    UrlLong "url-long" "addresses with more than 250 characters"
    UrlEncodedHost "url-encoded-host" "hosts with percent signs"
    UrlInUrl "url-in-url" "addresses that carry another one"
    UrlLabels "url-labels" "most labels of a host"
    UrlRandom "url-random" "hosts that look made up by chance"
    UrlMismatch "url-mismatch" "links whose words show another domain"
    UrlRecipient "url-recipient" "addresses that carry a recipient's address"
    UrlInsecure "url-insecure" "links without TLS"
    Mailto "mailto" "links to mail addresses"
    MailtoForeign "mailto-foreign" "of these, of another domain than From"
}

impl MessageFact {
    /// The fact of that word.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        Self::EACH.iter().copied().find(|fact| fact.name() == name)
    }
}

/// The numbers of one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageFacts([u32; MessageFact::EACH.len()]);

impl Default for MessageFacts {
    fn default() -> Self {
        Self([0; MessageFact::EACH.len()])
    }
}

impl MessageFacts {
    /// One of them.
    #[must_use]
    pub fn get(&self, fact: MessageFact) -> u32 {
        self.0.get(fact as usize).copied().unwrap_or_default()
    }

    /// Sets one.
    pub fn set(&mut self, fact: MessageFact, value: u32) {
        if let Some(slot) = self.0.get_mut(fact as usize) {
            *slot = value;
        }
    }

    /// Sets one to 1 where it is so.
    pub fn flag(&mut self, fact: MessageFact, yes: bool) {
        self.set(fact, u32::from(yes));
    }

    /// Counts more of one.
    pub fn add(&mut self, fact: MessageFact, more: usize) {
        let more = u32::try_from(more).unwrap_or(u32::MAX);
        self.set(fact, self.get(fact).saturating_add(more));
    }
}
